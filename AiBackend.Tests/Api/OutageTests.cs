using System.Diagnostics;
using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using Npgsql;

namespace AiBackend.Tests.Api;

/// <summary>What callers see while a server behind the Api is away.</summary>
public sealed class OutageTests : IAsyncLifetime
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(3);

    private readonly PostgresServer _postgres = new();
    private readonly RedisServer _redis = new();
    private ApiServer _api = null!;

    public async ValueTask InitializeAsync()
    {
        await _postgres.StartAsync();
        _api = new ApiServer(_postgres, _redis);
        await _api.InitializeAsync();
    }

    [Fact]
    public async Task F_17_without_postgres_every_route_says_so_soon_and_works_again_afterwards()
    {
        var job = await _api.SubmitAsync(ApiServer.Chat, ("Idempotency-Key", "kept"));
        await _postgres.KillAsync();

        foreach (
            var (method, path) in ((string, string)[])
                [
                    ("GET", $"/api/v1/jobs/{job.Id}"),
                    ("GET", $"/api/v1/jobs/{job.Id}/events"),
                    ("GET", "/api/v1/jobs"),
                    ("GET", "/api/v1/stats"),
                    ("POST", $"/api/v1/jobs/{job.Id}/cancel"),
                ]
        )
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            using var response = await _api.Http.SendAsync(request, TestRun.Cancel);
            await AssertUnavailableAsync(response);
        }

        var took = new List<TimeSpan>();
        while (took.Count < 3 && !took.Exists(each => each < Soon))
        {
            // The machine may have more to do: the quickest says what a refusal costs.
            var watch = Stopwatch.StartNew();
            using var refused = await _api.PostAsync(ApiServer.Chat, ("Idempotency-Key", "again"));
            await AssertUnavailableAsync(refused);
            took.Add(watch.Elapsed);
        }

        Assert.True(took.Min() < Soon, $"It took {took.Min()}.");
        await _postgres.StartAsync();
        await Eventually.TrueAsync(async token => (await _api.Http.GetAsync("/api/v1/jobs", token)).IsSuccessStatusCode, "it works again");
        // What writes has connections of its own.
        var kept = await Eventually.GetAsync(
            _ => _api.SubmitAsync(ApiServer.Chat, ("Idempotency-Key", "kept")),
            _ => true,
            "it takes jobs"
        );
        Assert.Equal(job.Id, kept.Id);
        await _api.SubmitAsync(ApiServer.Chat, ("Idempotency-Key", "again"));
    }

    [Fact]
    public async Task A_7_without_postgres_a_mistyped_key_is_still_refused_and_an_unknown_one_is_not_judged()
    {
        await _postgres.KillAsync();

        using var mistyped = await _api.Client("aib_test_" + new string('a', 36)).GetAsync("/api/v1/providers", TestRun.Cancel);
        using var unknown = await _api.Client(ApiKey.Create(live: false).Text).GetAsync("/api/v1/providers", TestRun.Cancel);

        Assert.Equal(HttpStatusCode.Unauthorized, mistyped.StatusCode);
        await AssertUnavailableAsync(unknown);
    }

    [Fact]
    public async Task F_17_a_stream_outlives_a_restart_of_postgres_and_misses_nothing()
    {
        var job = await _api.SubmitAsync();
        using var response = await _api.Http.GetAsync(
            $"/api/v1/jobs/{job.Id}/events",
            HttpCompletionOption.ResponseHeadersRead,
            TestRun.Cancel
        );
        await using var stream = await response.Content.ReadAsStreamAsync(TestRun.Cancel);
        var events = SseParser.Create(stream).EnumerateAsync(TestRun.Cancel).GetAsyncEnumerator(TestRun.Cancel);
        Assert.True(await events.MoveNextAsync());

        await _postgres.StopAsync();
        await _redis.KillAsync();
        await _postgres.StartAsync();
        await _redis.StartAsync();
        var cancelled = await Eventually.GetAsync(
            token => _api.Http.PostAsync(job.Links.Cancel, null, token),
            // It may be so already, by one whose answer was lost.
            answer => answer.StatusCode is HttpStatusCode.Accepted or HttpStatusCode.Conflict,
            "the job can be cancelled"
        );
        cancelled.Dispose();

        Assert.True(await events.MoveNextAsync());
        Assert.Equal(("2", JobEventTypes.Final), (events.Current.EventId, events.Current.EventType));
        Assert.False(await events.MoveNextAsync());
    }

    [Fact]
    public async Task F_18_a_frozen_postgres_is_given_up_after_a_few_seconds()
    {
        await _api.SubmitAsync();
        // As good as a frozen server: every statement waits.
        await using (var connection = await _api.Db.Source.OpenConnectionAsync(TestRun.Cancel))
        await using (var transaction = await connection.BeginTransactionAsync(TestRun.Cancel))
        {
            await using var freeze = new NpgsqlCommand("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE", connection, transaction);
            await freeze.ExecuteNonQueryAsync(TestRun.Cancel);

            var watch = Stopwatch.StartNew();
            var answers = await Task.WhenAll(
                Enumerable
                    .Range(0, 8)
                    .Select(_ => _api.PostAsync(ApiServer.Chat))
                    .Append(_api.Http.GetAsync("/api/v1/jobs", TestRun.Cancel))
            );

            // Three seconds for the lock, five for a commit, and what a busy machine takes; without these limits fifteen, or for ever.
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(14), $"It took {watch.Elapsed}.");
            foreach (var answer in answers)
            {
                await AssertUnavailableAsync(answer);
                answer.Dispose();
            }
        }

        await Eventually.TrueAsync(
            async _ => (await _api.PostAsync(ApiServer.Chat)).StatusCode == HttpStatusCode.Accepted,
            "it works again",
            TimeSpan.FromSeconds(30)
        );
    }

    [Fact]
    public async Task Without_redis_jobs_are_accepted_and_read_and_readiness_says_degraded()
    {
        await Eventually.GetAsync(
            _ => ReadinessAsync(),
            ready => ready == (HttpStatusCode.OK, "healthy", "healthy"),
            "both servers are known to be there"
        );
        await _redis.KillAsync();

        var job = await _api.SubmitAsync();
        using var cancelled = await _api.Http.PostAsync(job.Links.Cancel, null, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.Accepted, cancelled.StatusCode);
        await Eventually.GetAsync(
            _ => ReadinessAsync(),
            ready => ready == (HttpStatusCode.OK, "healthy", "degraded"),
            "readiness names Redis"
        );
        await _redis.StartAsync();
        await _postgres.KillAsync();
        await Eventually.GetAsync(
            _ => ReadinessAsync(),
            ready => ready == (HttpStatusCode.ServiceUnavailable, "unhealthy", "healthy"),
            "readiness names Postgres"
        );
    }

    public async ValueTask DisposeAsync()
    {
        await _postgres.StartAsync();
        await _api.DisposeAsync();
        await _postgres.DisposeAsync();
    }

    private static async Task AssertUnavailableAsync(HttpResponseMessage response)
    {
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/storage-unavailable", problem.Type);
        Assert.Equal((2, TimeSpan.FromSeconds(2)), (problem.RetryAfter, response.Headers.RetryAfter!.Delta));
        Assert.DoesNotContain("Npgsql", problem.Detail, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("127.0.0.1", problem.Detail, StringComparison.Ordinal);
    }

    private async Task<(HttpStatusCode Status, string Postgres, string Redis)> ReadinessAsync()
    {
        using var response = await _api.Client(null).GetAsync("/health/ready", TestRun.Cancel);
        var report = JsonSerializer.Deserialize(
            await response.Content.ReadAsByteArrayAsync(TestRun.Cancel),
            WireJson.Default.HealthReport
        )!;
        return (response.StatusCode, report.Checks["postgres"], report.Checks["redis"]);
    }
}
