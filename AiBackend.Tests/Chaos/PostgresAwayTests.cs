using System.Diagnostics;
using System.Net;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Worker;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>While Postgres cannot be reached callers are told at once, workers wait, and both go on by themselves.</summary>
public sealed class PostgresAwayTests(PostgresServer postgres) : IAsyncLifetime
{
    private ApiBehindProxy _api = null!;

    public async ValueTask InitializeAsync() => _api = await ApiBehindProxy.StartAsync(postgres);

    [Fact]
    public async Task F_18_and_f_38_with_postgres_swallowed_callers_are_told_within_100_ms_and_the_process_lives()
    {
        var job = await _api.SubmitAsync();
        var since = _api.Log.Now;
        _api.Proxy.Fault = Fault.Blackhole;

        var first = Enumerable
            .Range(0, 100)
            .Select(i => i % 2 == 0 ? _api.PostAsync(ApiServer.Chat) : _api.Http.GetAsync($"/api/v1/jobs/{job.Id}", TestRun.Cancel))
            .ToList();
        var longest = await _api.WatchLifeAsync(Task.WhenAll(first));
        foreach (var answer in first)
        {
            await ApiBehindProxy.AssertUnavailableAsync(await answer);
        }

        await Eventually.GetAsync(
            _api.ReadinessAsync,
            ready => ready == (HttpStatusCode.ServiceUnavailable, "unhealthy", "unreachable"),
            "readiness names Postgres"
        );
        var waits = new List<TimeSpan>();
        for (var i = 0; i < 21; i++)
        {
            var watch = Stopwatch.StartNew();
            var answer = i % 2 == 0 ? _api.PostAsync(ApiServer.Chat) : _api.Http.GetAsync("/api/v1/jobs", TestRun.Cancel);
            await ApiBehindProxy.AssertUnavailableAsync(await answer);
            waits.Add(watch.Elapsed);
        }

        // A key that cannot be one is still refused for that, and a page that needs no database is still shown.
        using var mistyped = await _api.Client("aib_test_" + new string('a', 36)).GetAsync("/api/v1/jobs", TestRun.Cancel);
        using var page = await _api.Client(null).GetAsync("/problems/storage-unavailable", TestRun.Cancel);
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), (mistyped.StatusCode, page.StatusCode));
        Assert.True(longest < TimeSpan.FromSeconds(10), $"/health/live took {longest}.");
        // The quickest quarter: this machine does other things beside, and a wait for Postgres would show in every one.
        Assert.True(waits.Order().ElementAt(waits.Count / 4) < TimeSpan.FromMilliseconds(100), string.Join(' ', waits));
        _api.Log.AssertCalm(since);

        _api.Proxy.Fault = Fault.None;
        await Eventually.TrueAsync(
            async _ => (await _api.PostAsync(ApiServer.Chat)).StatusCode == HttpStatusCode.Accepted,
            "jobs are accepted again",
            TimeSpan.FromSeconds(5)
        );
        await Eventually.GetAsync(
            _api.ReadinessAsync,
            ready => ready == (HttpStatusCode.OK, "healthy", null),
            "readiness is well again",
            TimeSpan.FromSeconds(20)
        );
    }

    [Fact]
    public async Task A_statement_that_takes_too_long_turns_nobody_else_away()
    {
        await _api.SubmitAsync();
        await using var connection = await _api.Db.Source.OpenConnectionAsync(TestRun.Cancel);
        await using var transaction = await connection.BeginTransactionAsync(TestRun.Cancel);
        await using var block = new NpgsqlCommand("LOCK TABLE job_payloads IN ACCESS EXCLUSIVE MODE", connection, transaction);
        await block.ExecuteNonQueryAsync(TestRun.Cancel);

        await ApiBehindProxy.AssertUnavailableAsync(await _api.PostAsync(ApiServer.Chat));

        using var other = await _api.Http.GetAsync("/api/v1/workers", TestRun.Cancel);
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        // Nor may it keep the rescuer waiting, as an outage does.
        Assert.Null(_api.Get<IStorageWatch>().SinceAway);
    }

    [Fact]
    public async Task One_cut_connection_among_many_turns_nobody_away()
    {
        await _api.SubmitAsync();
        var storage = _api.Get<IStorageWatch>();

        // Postgres is asked, and answers.
        Assert.True(storage.Report(new NpgsqlException("Cut.", new IOException())));

        Assert.False(storage.IsAway);
        await storage.WaitUntilBackAsync(TestRun.Cancel);
        await _api.SubmitAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task F_18_a_worker_stops_claiming_logs_once_a_second_and_goes_on_by_itself(bool swallowed)
    {
        await using var submitter = await CoreHost.StartAsync(_api.Db.ConnectionString, "127.0.0.1:1");
        using var log = new LogCount();
        await using var redis = await RedisServer.StartNewAsync();
        await using var worker = await WorkerUnderTest.StartAsync(
            _api.ProxiedConnectionString,
            redis.ConnectionString,
            [(new Uri("http://127.0.0.1:9"), "none")],
            [],
            builder => builder.Logging.AddProvider(log)
        );
        var first = Assert.Single(await RedisTrouble.SubmitAsync(submitter, 1));
        await Eventually.TrueAsync(async _ => await submitter.StatusAsync(first) == JobStatus.Completed, "the worker works");

        var (since, opened) = (log.Now, _api.Proxy.Accepted);
        _api.Proxy.Fault = swallowed ? Fault.Blackhole : new Fault { RefusesNew = true };
        if (!swallowed)
        {
            _api.Proxy.ResetAll();
        }

        var ids = await RedisTrouble.SubmitAsync(submitter, 5);
        await Eventually.TrueAsync(() => log.Events.Contains(1401), "the worker has noticed", TimeSpan.FromSeconds(30));
        // Long enough to see a loop: none could pass unnoticed in three seconds.
        await Eventually.TrueAsync(() => log.Now - since > TimeSpan.FromSeconds(3), "time passes", TimeSpan.FromSeconds(30));
        var seconds = (log.Now - since).TotalSeconds;
        // Every part of a leader that works by itself tries by itself, a few times a second; a loop would try hundreds of times.
        Assert.True(_api.Proxy.Accepted - opened < 30 * (seconds + 1), $"{_api.Proxy.Accepted - opened} connections in {seconds} s.");
        log.AssertCalm(since);
        foreach (var id in ids)
        {
            Assert.Equal(JobStatus.Queued, await submitter.StatusAsync(id));
        }

        _api.Proxy.Fault = Fault.None;
        await Eventually.TrueAsync(
            async _ => await submitter.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status <> 6") == 0,
            "every job is done",
            TimeSpan.FromSeconds(15)
        );
        log.AssertCalm(since);
    }

    public ValueTask DisposeAsync() => _api.EndAsync();
}
