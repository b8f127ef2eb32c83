using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>Steps at which a person decides.</summary>
public sealed class ReviewStepTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Gate = """
        {"steps":[{"name":"gate","type":"review","question":"Pay {{input.total}}?","value":{"total":"{{input.total}}"}},
                  {"name":"out","type":"transform","value":"{{steps.gate.total}}"}]}
        """;

    [Theory]
    [InlineData(null, "12")]
    [InlineData("""{"total":10}""", "10")]
    public async Task The_run_waits_without_a_slot_and_goes_on_with_what_was_approved(string? edited, string given)
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database);
        var run = RunDraft.Of(Gate, """{"total":12}""");
        await worker.SubmitAsync(run);
        var wait = await WaitAsync(worker, 1);
        // Not for its next look, which may be due at once.
        await worker.UntilAsync(
            async () =>
                await worker.ScalarAsync<long>(
                    "SELECT count(*) FROM jobs WHERE type = 3 AND status = 5 AND waiting_reason = 'steps' AND due_at > now() + interval '1 minute'"
                ) == 1,
            "the run waits"
        );
        Assert.Equal(0L, await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 2"));
        var looks = await worker.ScalarAsync<short>("SELECT attempt FROM jobs WHERE type = 3");
        var asked = Assert.Single(await worker.Get<WaitReads>().ListAsync(wait.TenantId, wait.JobId, TestRun.Cancel));
        var question = JsonElement.Parse(asked.Question);
        Assert.Equal(
            ("step", "Pay 12?", """{"total":12}"""),
            (question.GetProperty("reason").GetString(), question.GetProperty("text").GetString(), asked.Proposal)
        );

        var answers = worker.Get<AnswerWait>();
        Assert.IsType<AnswerOutcome.Taken>(await answers.ReviewAcceptsAsync(wait, edited, null, TestRun.Cancel));
        Assert.IsType<AnswerOutcome.NotWaiting>(await answers.ReviewAcceptsAsync(wait, """{"total":99}""", null, TestRun.Cancel));

        await DoneAsync(worker, run.Id, JobStatus.Completed);
        // It looked once more: nothing woke it in between.
        Assert.Equal(looks + 1, await worker.ScalarAsync<short>("SELECT attempt FROM jobs WHERE type = 3"));
        Assert.Equal(given, (await worker.Reads.FindAsync(run.Id, TestRun.Cancel))!.Output!.Text);
        // The log of the step's job is what its output says.
        var step = await worker.Reads.FindAsync(wait.JobId, TestRun.Cancel);
        Assert.Equal(("review", edited ?? """{"total":12}"""), (step!.Type, step.Output!.Text));
    }

    [Fact]
    public async Task What_is_refused_fails_the_run_unless_the_step_may_fail()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database);
        var strict = RunDraft.Of(Gate, """{"total":12}""");
        var lenient = RunDraft.Of(
            """{"steps":[{"name":"gate","type":"review","question":"Well?","value":"a","on_failure":"skip"},{"name":"out","type":"transform","after":["gate"],"value":"went on"}]}""",
            "{}"
        );
        await worker.SubmitAsync(strict);
        await worker.SubmitAsync(lenient);

        for (var i = 0; i < 2; i++)
        {
            var wait = await WaitAsync(worker, 2 - i);
            Assert.IsType<AnswerOutcome.Taken>(await worker.Get<AnswerWait>().ReviewRejectsAsync(wait, null, TestRun.Cancel));
        }

        await DoneAsync(worker, strict.Id, JobStatus.Failed);
        await DoneAsync(worker, lenient.Id, JobStatus.PartiallyCompleted);
        var failed = await worker.Reads.FindAsync(strict.Id, TestRun.Cancel);
        Assert.Contains("Step gate failed: A reviewer refused", failed!.Error!.Message, StringComparison.Ordinal);
        var partial = await worker.Reads.FindAsync(lenient.Id, TestRun.Cancel);
        Assert.Equal("went on", partial!.Output!.Text);
        Assert.StartsWith("gate: A reviewer refused", Assert.Single(partial.Output.Missing), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_s_decision_is_what_the_step_says_it_is()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database);
        const string Steps =
            """{"steps":[{"name":"gate","type":"review","question":"Well?","value":"as it was","review":{"timeout_seconds":1,"on_timeout":"accept"}}]}""";

        var run = await worker.RunJobAsync(RunDraft.Of(Steps, "{}"));

        Assert.Equal(("completed", "as it was"), (run.Status, run.Output!.Text));
    }

    [Fact]
    public async Task Nobody_is_asked_about_nothing()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database);

        var run = await worker.RunJobAsync(
            RunDraft.Of("""{"steps":[{"name":"gate","type":"review","question":"Well?","value":"{{input.text}}"}]}""", """{"text":" "}""")
        );

        Assert.Equal("failed", run.Status);
        Assert.Contains("value is empty", run.Error!.Message, StringComparison.Ordinal);
        Assert.Equal(1L, await worker.ScalarAsync<long>("SELECT count(*) FROM jobs"));
    }

    [Fact]
    public async Task Each_item_of_a_map_can_be_asked_about()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await StartAsync(database);
        var run = RunDraft.Of(
            """{"steps":[{"name":"each","type":"map","over":"{{input}}","step":{"type":"review","question":"{{index}}?","value":"{{item}}"}}]}""",
            """["a","b"]"""
        );
        await worker.SubmitAsync(run);

        for (var open = 2; open > 0; open--)
        {
            await worker.Get<AnswerWait>().ReviewAcceptsAsync(await WaitAsync(worker, open), null, null, TestRun.Cancel);
        }

        await DoneAsync(worker, run.Id, JobStatus.Completed);
        Assert.Equal("""["a","b"]""", (await worker.Reads.FindAsync(run.Id, TestRun.Cancel))!.Output!.Text);
    }

    private static Task DoneAsync(CoreHost worker, Guid run, JobStatus status) =>
        worker.UntilAsync(async () => await worker.StatusAsync(run) == status, $"the run is {status}");

    /// <returns>The oldest of so many waits.</returns>
    private static async Task<WaitKey> WaitAsync(CoreHost worker, int open)
    {
        await worker.UntilAsync(
            async () => await worker.ScalarAsync<long>("SELECT count(*) FROM job_waits WHERE kind = 2 AND answered_at IS NULL") == open,
            $"{open} reviews are open"
        );
        var job = await worker.ScalarAsync<Guid>(
            "SELECT w.job_id FROM job_waits w JOIN jobs j ON j.id = w.job_id JOIN workflow_steps s ON s.job_id = j.id WHERE w.answered_at IS NULL ORDER BY s.run_id, s.item LIMIT 1"
        );
        return new WaitKey(ApiKeyStore.DefaultTenant, job, 1);
    }

    private async Task<CoreHost> StartAsync(TestDatabase database) =>
        await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, await simulator.ModelAsync(new { words = 2 })));
}
