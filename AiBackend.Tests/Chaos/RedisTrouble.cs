using AiBackend.Core.Jobs;
using AiBackend.Core.Redis;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Worker;
using StackExchange.Redis;

namespace AiBackend.Tests.Chaos;

/// <summary>A worker with a Redis of its own behind a proxy, and the questions that every fault of Redis has to answer.</summary>
public sealed class RedisTrouble : IAsyncDisposable
{
    public const string Stream = "aib:{default}:ready";

    private RedisTrouble(TestDatabase database, RedisServer redis)
    {
        (Database, Redis, Serving) = (database, redis, redis);
        Proxy = FaultProxy.Before(() => Serving.Port);
    }

    public TestDatabase Database { get; }

    public RedisServer Redis { get; }

    /// <summary>Where the proxy leads new connections: <see cref="Redis"/>, until another one is promoted.</summary>
    public RedisServer Serving { get; set; }

    public FaultProxy Proxy { get; }

    public LogCount Log { get; } = new();

    public CoreHost Worker { get; private set; } = null!;

    /// <param name="postgres">The shared server.</param>
    /// <param name="redisOptions">For the command line of Redis.</param>
    public static async Task<RedisTrouble> StartAsync(PostgresServer postgres, params string[] redisOptions)
    {
        var database = await postgres.CreateDatabaseAsync();
        return new RedisTrouble(database, await RedisServer.StartNewAsync(redisOptions));
    }

    public Task<CoreHost> StartSubmitterAsync() => CoreHost.StartAsync(Database.ConnectionString, Proxy.Address);

    public async Task StartWorkerAsync(params (string, string)[] settings) =>
        Worker = await WorkerUnderTest.StartAsync(
            Database.ConnectionString,
            Proxy.Address,
            // Nobody asks it: the jobs here need no model.
            [(new Uri("http://127.0.0.1:9"), "none")],
            settings,
            builder => builder.Logging.AddProvider(Log)
        );

    public static async Task<List<Guid>> SubmitAsync(CoreHost host, int count)
    {
        var drafts = Enumerable.Range(0, count).Select(_ => CoreHost.Draft() with { Type = JobType.Noop }).ToList();
        await Task.WhenAll(drafts.Select(host.SubmitAsync));
        return [.. drafts.Select(draft => draft.Id)];
    }

    /// <summary>Waits until every job there is has been done, each in its first attempt.</summary>
    public async Task AssertAllDoneAsync(TimeSpan within)
    {
        await Eventually.GetAsync(
            _ => Worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status <> 6"),
            left => left == 0,
            "every job is completed",
            within
        );
        Assert.Equal(0, await Worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE attempt <> 1"));
    }

    /// <summary>Waits until a new job goes through the stream again: found there, and not in Postgres.</summary>
    public Task AssertNormalAsync() =>
        Eventually.TrueAsync(
            async _ =>
            {
                var before = await LastDeliveredAsync();
                var id = Assert.Single(await SubmitAsync(Worker, 1));
                await Eventually.TrueAsync(async _ => await Worker.StatusAsync(id) == JobStatus.Completed, "the job is completed");
                return before is not null && await LastDeliveredAsync() is { } after && after != before;
            },
            "a job goes through the stream",
            TimeSpan.FromSeconds(15)
        );

    public async ValueTask DisposeAsync()
    {
        await (Worker?.DisposeAsync() ?? default);
        await Proxy.DisposeAsync();
        await Redis.DisposeAsync();
        await Database.DisposeAsync();
        Log.Dispose();
    }

    private async Task<string?> LastDeliveredAsync()
    {
        var groups = (RedisResult[])(await Worker.Get<RedisConnection>().ExecuteAsync("XINFO", "GROUPS", Stream))!;
        if (groups is not [var group, ..])
        {
            return null;
        }

        var fields = (RedisResult[])group!;
        var at = Array.FindIndex(fields, field => (string?)field == "last-delivered-id");
        return (string?)fields[at + 1];
    }
}
