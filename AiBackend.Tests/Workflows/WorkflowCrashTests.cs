using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>Workers that die in the middle of runs.</summary>
public sealed class WorkflowCrashTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const int Runs = 6;

    private const string TwoSteps = """
        {"steps":[
          {"name":"one","type":"chat","messages":[{"role":"user","content":"One"}]},
          {"name":"two","type":"chat","messages":[{"role":"user","content":"After {{steps.one}}"}]},
          {"name":"out","type":"transform","value":"{{steps.two}}"}]}
        """;

    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task K15_I_19_a_step_that_was_done_is_not_done_again_whoever_dies_between_the_steps_of_its_run()
    {
        var model = await simulator.ModelAsync(new { words = 3 });
        for (var run = 0; run < Runs; run++)
        {
            await Core.SubmitAsync(RunDraft.Of(TwoSteps, "{}"));
        }

        // With first steps begun and not submitted; then with some of them done.
        foreach (var hit in (int[])[2, Runs])
        {
            using var dying = await StartAsync(model, ("AIBACKEND_FAULT", $"K15:kill@{hit}"));
            await dying.WaitForExitAsync();
            await Core.BuryAsync();
        }

        using var worker = await StartAsync(model);
        await Eventually.TrueAsync(
            async _ =>
                await Core.ScalarAsync<int>($"SELECT count(*) FROM jobs WHERE type = {(int)JobType.Workflow} AND status = 6") == Runs,
            "all runs are done",
            TimeSpan.FromSeconds(90)
        );

        Assert.True(await Core.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE crash_count > 0") > 0, "nobody died");
        Assert.Equal(Runs * 3, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs"));
        // Each step is one job, which was done once.
        Assert.Equal(Runs * 2, await Core.ScalarAsync<int>("SELECT count(DISTINCT job_id) FROM workflow_steps WHERE job_id IS NOT NULL"));
        Assert.Equal(
            Runs * 2,
            await Core.ScalarAsync<int>(
                "SELECT count(*) FROM job_attempts a JOIN workflow_steps s ON s.job_id = a.job_id WHERE a.outcome = 1"
            )
        );
    }

    private Task<WorkerProcess> StartAsync(string model, params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, model),
            [("Worker__MaxConcurrentJobs", "4"), .. WorkerProcess.ShortLeases, .. settings]
        );
}
