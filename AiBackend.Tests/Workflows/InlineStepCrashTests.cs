using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Knowledge;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>Workers that die around a tool which the look of a run calls itself.</summary>
public sealed class InlineStepCrashTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Find = """
        {"steps":[{"name":"find","type":"tool","tool":"search_knowledge","inline":true,"arguments":{"collection":"manuals","query":"pump"}},
                  {"name":"answer","type":"chat","messages":[{"role":"user","content":"Answer from {{steps.find}}"}]}],
         "output":"{{steps.find}}"}
        """;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly RedisServer _redis = redis;

    // The tool has answered and that is not written down; it is, and the next step's job is not submitted.
    [Theory]
    [InlineData("K14[{0}]:kill", true)]
    [InlineData("K15[w]:kill@2", false)]
    public async Task I_19_what_a_look_found_is_written_down_once_and_stays_as_it_is_whoever_dies(string fault, bool isAskedAgain)
    {
        await Core.AddPassageAsync("manuals", "before", "The pump is red");
        var model = await simulator.ModelAsync(new { words = 3 });
        var run = RunDraft.Of(Find, "{}", null, new PinnedTool("search_knowledge", 0)) with { Model = model };
        await Core.SubmitAsync(run);

        using (var dying = await StartAsync(model, ("AIBACKEND_FAULT", fault.Replace("{0}", model, StringComparison.Ordinal))))
        {
            await dying.WaitForExitAsync().WaitAsync(Patience, TestRun.Cancel);
            Assert.True(dying.ExitCode is not 0 and not 134, $"{dying.ExitCode}: {dying.Output}");
        }

        Assert.Equal(
            isAskedAgain ? 0 : 1,
            await Core.ScalarAsync<int>("SELECT count(*) FROM workflow_steps WHERE name = 'find' AND state = 2")
        );
        await Core.AddPassageAsync("manuals", "after", "The pump is blue");
        using var worker = await StartAsync(model);
        await Eventually.TrueAsync(async _ => (await Core.StatusAsync(run.Id)).IsTerminal(), "the run has ended", Patience);

        var job = (await Core.Reads.FindAsync(run.Id, TestRun.Cancel))!;
        Assert.True(job.Status == "completed", job.Error?.Message);
        Assert.Contains("The pump is red", job.Output!.Text, StringComparison.Ordinal);
        Assert.Equal(isAskedAgain, job.Output.Text.Contains("The pump is blue", StringComparison.Ordinal));
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT crash_count FROM jobs WHERE id = @id", run.Id));
        // The run and its answer: the search is no job, of whichever worker.
        Assert.Equal(2, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs"));
        Assert.Single(await simulator.CallsAsync(model, TestRun.Cancel));
    }

    private Task<WorkerProcess> StartAsync(string model, params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(
            Db,
            _redis,
            (simulator.Address, model),
            [.. WorkerProcess.ShortLeases, ("Worker__InlineSeconds", "30"), .. settings]
        );
}
