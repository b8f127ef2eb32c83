using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Admission;

/// <summary>Limits are counted where jobs are kept: without Redis, and with one that has forgotten everything, a provider is asked no more than it allows.</summary>
public sealed class LimitWithoutRedisTests(PostgresServer postgres, SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    private const int Limit = 5;

    /// <summary>Three windows full.</summary>
    private const int Jobs = 3 * Limit;

    private static readonly TimeSpan Window = TimeSpan.FromSeconds(4);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task P_14_with_redis_gone_and_then_empty_two_workers_send_no_more_than_the_limit_in_a_window_and_all_jobs_end()
    {
        await using var redis = await RedisServer.StartNewAsync();
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var first = await StartAsync(database, redis, model);
        await using var second = await StartAsync(database, redis, model);
        await Eventually.TrueAsync(async _ => await first.ScalarAsync<int>("SELECT count(*) FROM workers") == 2, "both are there");
        for (var i = 0; i < Jobs; i++)
        {
            await first.SubmitAsync();
        }

        await UntilAskedAsync(1, "the first is asked");
        await redis.KillAsync();
        await UntilAskedAsync(Limit + 1, "calls are made in another window, without Redis");
        await redis.StartAsync();
        await UntilAskedAsync(2 * Limit + 1, "calls are made in a third window, with an empty Redis");
        await redis.FlushAsync(TestRun.Cancel);
        await Eventually.TrueAsync(
            async _ => await first.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 6") == Jobs,
            "all are done",
            Patience
        );

        var calls = await simulator.CallsAsync(model, TestRun.Cancel);
        var times = calls.Select(call => call.GetProperty("received_at").GetDateTimeOffset()).Order().ToList();
        Assert.Equal(Jobs, times.Count);
        // A window less what a call may take from the last look at the clock to its provider, on a machine that has more to do. Counts that were lost
        // would let a window full through at once.
        var most = Window / 2;
        Assert.All(times, from => Assert.InRange(times.Count(at => at >= from && at < from + most), 1, Limit));
        Assert.Equal(2, await first.ScalarAsync<int>("SELECT count(DISTINCT worker_id) FROM job_attempts"));
        // Nobody lost a try by waiting.
        Assert.Equal(1, await first.ScalarAsync<int>("SELECT max(attempt - excused) FROM jobs"));

        Task UntilAskedAsync(int times, string what) =>
            Eventually.TrueAsync(async token => (await simulator.CallsAsync(model, token)).Count >= times, what, Patience);
    }

    private Task<CoreHost> StartAsync(TestDatabase database, RedisServer redis, string model) =>
        WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            [
                ("AIBACKEND_PROVIDERS:0:REQUESTS_PER_MINUTE", $"{Limit}"),
                ("Admission:Window", $"{Window}"),
                // So few that one worker alone does not have all jobs.
                ("Worker:MaxConcurrentJobs", "4"),
            ]
        );
}
