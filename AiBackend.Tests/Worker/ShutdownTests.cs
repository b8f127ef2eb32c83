using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Worker;

/// <summary>A worker process that is told to stop hands back what it has; nobody waits for a lease to run out.</summary>
public sealed class ShutdownTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task I_21_F_7_a_stopped_worker_exits_in_order_and_leaves_no_lease_however_often_it_is_told(int signals)
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { output_tokens = 100_000, interval_ms = 20 });
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        using var worker = await WorkerProcess.StartAsync(database, redis, (simulator.Address, model));
        for (var i = 0; i < 5; i++)
        {
            await core.SubmitAsync();
        }

        await Eventually.TrueAsync(
            async token => (await simulator.CallsAsync(model, token)).Count == 5,
            "five jobs run",
            TimeSpan.FromSeconds(30)
        );

        for (var i = 0; i < signals; i++)
        {
            worker.Signal(Signal.Terminate);
        }

        await worker.WaitForExitAsync();
        Assert.Equal(0, worker.ExitCode);
        Assert.Equal(
            5,
            await core.ScalarAsync<int>(
                $"SELECT count(*) FROM jobs WHERE status = {(short)JobStatus.Queued} AND lease_until IS NULL AND excused = 1"
            )
        );
    }

    [Fact]
    public async Task I_21_a_pool_begins_nothing_more_and_gives_back_in_the_same_time_as_the_rest()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var hanging = await simulator.ModelAsync(new { hang = "before_first_token" });
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        var worker = await WorkerUnderTest.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            [(simulator.Address, hanging)],
            [("Queue:Pools:0:Name", "heavy"), ("Queue:Pools:0:Models", "big-*"), ("Queue:Pools:0:Slots", "2")],
            WorkerUnderTest.StopPatiently
        );
        await using (worker)
        {
            await core.SubmitAsync();
            await core.SubmitAsync(CoreHost.Draft() with { Pool = "heavy" });
            await Eventually.TrueAsync(
                async _ => await core.ScalarAsync<int>($"SELECT count(*) FROM jobs WHERE status = {(short)JobStatus.Processing}") == 2,
                "both run"
            );

            worker.Get<IHostApplicationLifetime>().StopApplication();
            // There is a free slot in the pool, and the default pool still has its grace period before it.
            await core.SubmitAsync(CoreHost.Draft() with { Pool = "heavy" });
        }

        Assert.Equal(
            (3, 2),
            (
                await core.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 1 AND lease_until IS NULL"),
                await core.ScalarAsync<int>("SELECT sum(attempt) FROM jobs")
            )
        );
        Assert.Equal(2, await core.ScalarAsync<int>("SELECT sum(excused) FROM jobs"));
    }
}
