using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>Runs that go on from earlier ones.</summary>
public sealed class RerunTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    // Two chats of which one depends on a third step, and what is made of both.
    private const string Definition = """
        {"steps":[
          {"name":"read","type":"chat","messages":[{"role":"user","content":"Read {{input.text}}"}]},
          {"name":"side","type":"map","over":"{{input.items}}","step":{"type":"chat","messages":[{"role":"user","content":"Side {{item}}"}]} },
          {"name":"write","type":"chat","messages":[{"role":"user","content":"Write about {{steps.read}} as {{input.style}}"}]},
          {"name":"both","type":"transform","value":{"side":"{{steps.side}}","written":"{{steps.write}}"} }]}
        """;

    private static readonly WorkflowDefinition Workflow = JsonSerializer.Deserialize(Definition, WireJson.Default.WorkflowDefinition)!;

    [Fact]
    public void From_a_step_on_it_and_all_that_depend_on_it_are_done_again_and_nothing_else_that_succeeded()
    {
        StepState[] ended = [Succeeded("read"), Succeeded("side"), Succeeded("write"), Succeeded("both")];

        Assert.Equal(["both", "write"], Rerun.From(Workflow, "write").Order(StringComparer.Ordinal));
        Assert.Equal(["read", "side"], Rerun.Kept(Workflow, Rerun.From(Workflow, "write"), [], ended));
        Assert.Equal(["side"], Rerun.Kept(Workflow, Rerun.From(Workflow, "write"), ["read"], ended));
        Assert.Equal(["read", "side", "write"], Rerun.Kept(Workflow, Rerun.From(Workflow, "both"), [], ended));
        // What was made of something that is done again is done again, too.
        ended[0] = ended[0] with
        {
            Status = StepStatus.Failed,
        };
        Assert.Equal(["side"], Rerun.Kept(Workflow, Rerun.From(Workflow, "both"), [], ended));
        Assert.Equal(["side", "write"], Rerun.Kept(Workflow, Rerun.From(Workflow, "both"), ["read"], ended));
        ended[0] = ended[0] with { Status = StepStatus.Skipped };
        Assert.Equal(["side", "write"], Rerun.Kept(Workflow, Rerun.From(Workflow, "both"), [], ended));

        static StepState Succeeded(string name) => new(name, null, StepStatus.Succeeded);
    }

    [Fact]
    public async Task I_19_what_is_taken_over_is_not_done_again_and_what_is_given_is_used()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 3 });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));
        var first = await worker.RunJobAsync(Run("""{"text":"a","style":"prose","items":["x","y"]}""", null));
        Assert.True(first.Status == "completed", $"{first.Status}: {first.Error?.Message}");
        var asked = (await simulator.CallsAsync(model, TestRun.Cancel)).Count;

        var edited = await worker.RunJobAsync(
            Run("""{"text":"a","style":"verse","items":["x","y"]}""", new TakenOver(first.Id, ["read", "side"], Nothing))
        );
        using var given = JsonDocument.Parse("\"a letter\"");
        var replaced = await worker.RunJobAsync(
            Run(
                """{"text":"a","style":"verse","items":["x","y"]}""",
                new TakenOver(
                    edited.Id,
                    ["side"],
                    new Dictionary<string, JsonElement>(StringComparer.Ordinal) { ["read"] = given.RootElement }
                )
            )
        );

        var (before, after) = (await StepsAsync(worker, first.Id), await StepsAsync(worker, edited.Id));
        foreach (var kept in before.Where(step => step.Name is "read" or "side"))
        {
            var same = after.Single(step => (step.Name, step.Index) == (kept.Name, kept.Index));
            Assert.Equal((kept.JobId, kept.Output?.GetRawText()), (same.JobId, same.Output?.GetRawText()));
        }

        var calls = (await simulator.CallsAsync(model, TestRun.Cancel)).Select(call => call.GetRawText()).ToList();
        Assert.Equal(asked + 2, calls.Count);
        Assert.Single(calls, call => call.Contains("as prose", StringComparison.Ordinal));
        Assert.Single(calls, call => call.Contains("Write about a letter as verse", StringComparison.Ordinal));
        Assert.Equal(("completed", "completed"), (edited.Status, replaced.Status));

        await DeletionsAsync(worker, first.Id, edited.Id);
    }

    [Fact]
    public async Task Whoever_has_lost_a_run_takes_nothing_over_and_once_more_changes_nothing()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        var (steps, earlier) = (new RunStepStore(core.Database), Run("{}", null));
        var step = await core.SubmitAsync();
        using (var done = await core.ClaimAsync(step))
        {
            Assert.True(await done.EndAsync(AttemptEnd.Succeeded("kept")));
        }

        await core.SubmitAsync(earlier);
        using (var held = await core.ClaimAsync(earlier.Id))
        {
            using var text = JsonDocument.Parse("\"kept\"");
            await steps.WriteAsync(
                ApiKeyStore.DefaultTenant,
                held.Job.Lease,
                [new StepState("read", null, StepStatus.Running) { Type = "chat", JobId = step }.Gave(text.RootElement)],
                TestRun.Cancel
            );
            Assert.True(await held.EndAsync(AttemptEnd.Succeeded("x")));
        }

        var next = Run("{}", new TakenOver(earlier.Id, ["read"], Nothing));
        await core.SubmitAsync(next);
        using var run = await core.ClaimAsync(next.Id);
        await TakeOverAsync(run.Job.Lease with { Epoch = 9 });
        Assert.Empty(await steps.ReadAsync(ApiKeyStore.DefaultTenant, next.Id, TestRun.Cancel));

        await TakeOverAsync(run.Job.Lease);
        await TakeOverAsync(run.Job.Lease);

        var taken = Assert.Single(await steps.ReadAsync(ApiKeyStore.DefaultTenant, next.Id, TestRun.Cancel));
        Assert.Equal(("read", StepStatus.Succeeded, true), (taken.State.Name, taken.State.Status, taken.State.HasOutput));
        // Whole or not at all: the job of the step that was taken over is needed until this run is over.
        Assert.False(await DeleteAsync(core, earlier.Id));
        Assert.True(await run.EndAsync(AttemptEnd.Succeeded("y")));
        Assert.True(await DeleteAsync(core, earlier.Id));
        Assert.Equal(1L, await core.ScalarAsync<long>("SELECT count(*) FROM jobs"));

        Task TakeOverAsync(JobLease lease) =>
            steps.TakeOverAsync(ApiKeyStore.DefaultTenant, lease, Workflow, RunInput.Read(next.Input).TakenOver!, TestRun.Cancel);
    }

    private static Dictionary<string, JsonElement> Nothing => new(StringComparer.Ordinal);

    /// <summary>A later run goes without the jobs of the earlier one, and the earlier one takes along what the later has of it.</summary>
    private static async Task DeletionsAsync(CoreHost worker, Guid first, Guid edited)
    {
        var jobs = await worker.ScalarAsync<long>("SELECT count(*) FROM jobs");
        Assert.True(await DeleteAsync(worker, edited));
        // The run and the job of the one step that it did itself.
        Assert.Equal(jobs - 2, await worker.ScalarAsync<long>("SELECT count(*) FROM jobs"));
        Assert.All(await StepsAsync(worker, first), step => Assert.True(step.Output is not null || step.Name == "side"));

        Assert.True(await DeleteAsync(worker, first));
        Assert.Equal(
            0L,
            await worker.ScalarAsync<long>("SELECT count(*) FROM workflow_steps WHERE name = 'side' AND item >= 0 AND output IS NOT NULL")
        );
    }

    private static Task<bool> DeleteAsync(CoreHost worker, Guid run) =>
        worker.ScalarAsync<bool>(
            $$"""
            WITH who AS (SELECT set_config('aibackend.actor', '{"actor":"k","action":"job.deleted"}', false))
            SELECT delete_job('{{ApiKeyStore.DefaultTenant}}', '{{run}}') FROM who
            """
        );

    private static Task<List<RunStepState>> StepsAsync(CoreHost worker, Guid run) =>
        worker.Get<RunStepStore>().ShowAsync(ApiKeyStore.DefaultTenant, run, null, 100, TestRun.Cancel);

    private static JobDraft Run(string input, TakenOver? earlier) =>
        CoreHost.Draft() with
        {
            Type = JobType.Workflow,
            Input = new RunInput
            {
                Workflow = "w",
                Version = 1,
                Definition = Workflow,
                Input = JsonDocument.Parse(input).RootElement,
                TakenOver = earlier,
            }.ToJson(),
        };
}
