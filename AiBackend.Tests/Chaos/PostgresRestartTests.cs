using System.Collections.Concurrent;
using System.Net;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Chaos;

/// <summary>A restart of Postgres under load: every answer is true, and what was left open converges when it is asked again.</summary>
public sealed class PostgresRestartTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>, IAsyncLifetime
{
    private const int Clients = 6;
    private const int Each = 15;

    private readonly PostgresServer _postgres = new();
    private readonly RedisServer _redis = new();
    private readonly LogCount _log = new();
    private ApiServer _api = null!;
    private CoreHost _worker = null!;

    public async ValueTask InitializeAsync()
    {
        await _postgres.StartAsync();
        _api = new ApiServer(_postgres, _redis);
        await _api.InitializeAsync();
        _worker = await WorkerUnderTest.StartAsync(
            _api.Db.ConnectionString,
            _redis.ConnectionString,
            [(simulator.Address, await simulator.ModelAsync(new { words = 20, interval_ms = 50 }))],
            [],
            builder => builder.Logging.AddProvider(_log)
        );
    }

    [Theory]
    [InlineData("fast")]
    [InlineData("immediate")]
    public async Task F_17_a_restart_under_load_loses_no_job_and_makes_none_twice(string mode)
    {
        var answers = new ConcurrentDictionary<string, ConcurrentBag<Guid>>(StringComparer.Ordinal);
        var refused = 0;
        var load = Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(() => SubmitAsync(client), TestRun.Cancel)));
        await Eventually.TrueAsync(() => answers.Count >= Clients, "the load flows", TimeSpan.FromSeconds(30));

        var since = _log.Now;
        await (mode == "fast" ? _postgres.StopAsync() : _postgres.StopAtOnceAsync());
        await Eventually.TrueAsync(() => Volatile.Read(ref refused) > 0, "callers notice", TimeSpan.FromSeconds(30));
        await _postgres.StartAsync();
        await load;

        foreach (var (key, ids) in answers)
        {
            // Whatever the first answer was, and whatever was answered not at all: the same job.
            var again = await _api.SubmitAsync(ApiServer.Chat, ("Idempotency-Key", key));
            Assert.Equal(again.Id, Assert.Single(ids.Distinct()));
        }

        Assert.Equal(answers.Count, await CountAsync("true"));
        await Eventually.GetAsync(
            _ => CountAsync("status <> 6"),
            left => left == 0,
            "every job is completed",
            // Those whose lease was lost with the outage run again.
            TimeSpan.FromSeconds(60)
        );
        Assert.Equal(0, await CountAsync("crash_count > 1"));
        Assert.DoesNotContain(1003, _log.Events);
        _log.AssertCalm(since, besides: 10);

        async Task SubmitAsync(int client)
        {
            // Until the outage was met, however long it takes the test to bring it about.
            for (var i = 0; i < Each || Volatile.Read(ref refused) == 0; i++)
            {
                var key = $"{client}-{i}";
                while (true)
                {
                    using var answer = await _api.PostAsync(ApiServer.Chat, ("Idempotency-Key", key));
                    if (answer.StatusCode == HttpStatusCode.Accepted)
                    {
                        answers.GetOrAdd(key, _ => []).Add((await ApiServer.ReadJobAsync(answer)).Id);
                        break;
                    }

                    Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
                    Assert.NotNull(answer.Headers.RetryAfter);
                    Interlocked.Increment(ref refused);
                    await Task.Delay(100, TestRun.Cancel);
                }

                await Task.Delay(20, TestRun.Cancel);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _postgres.StartAsync();
        await _worker.DisposeAsync();
        await _api.DisposeAsync();
        await _postgres.DisposeAsync();
        _log.Dispose();
    }

    private Task<long> CountAsync(string condition) => _worker.ScalarAsync<long>($"SELECT count(*) FROM jobs WHERE {condition}");
}
