using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Contracts;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Tools;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>A step's contract decides whether what it gives is used, whoever gives it.</summary>
public sealed class StepContractTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Send = """
        {"steps":[{"name":"send","type":"tool","tool":"send","arguments":{"to":"a","amount":2},
                   "contract":{"schema":{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}}},
                  {"name":"out","type":"transform","value":"{{steps.send.id}}"}]}
        """;

    [Fact]
    public async Task A_tool_that_reads_is_called_again_until_it_gives_what_its_contract_says()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.OK, """{"id":"seven"}""");
        await using var worker = await StartAsync(receiver);
        // Far longer than it is waited for here: it is tried again when this test says so, and no sooner.
        const string Slow = "\"tool\":\"send\",\"backoff\":{\"initial_seconds\":600,\"max_seconds\":3000}";
        var run = await RunAsync(worker, receiver, ToolEffect.Read, Send.Replace("\"tool\":\"send\"", Slow, StringComparison.Ordinal));

        await worker.SubmitAsync(run);
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE type = 4 AND status = 5") == 1,
            "the first answer was refused",
            TimeSpan.FromSeconds(30)
        );
        receiver.Answer = (HttpStatusCode.OK, """{"id":7}""");
        await worker.UntilAsync(async () => await worker.StatusAsync(run.Id) == JobStatus.Completed, "the run has a value that fits");

        Assert.Equal("7", (await worker.Reads.FindAsync(run.Id, TestRun.Cancel))!.Output!.Text);
        Assert.Equal(2, receiver.Posted.Count());
        var step = Assert.Single(await StepsAsync(worker, run.Id), step => step.Name == "send");
        Assert.Equal((RunStepStatuses.Succeeded, Verdicts.Valid), (step.Status, step.Contract!.Verdict));
        Assert.Equal(
            [Verdicts.Schema, Verdicts.Valid],
            (await new JobTraces(worker.Database).FindAsync(ApiKeyStore.DefaultTenant, step.JobId!.Value, TestRun.Cancel))!.Attempts.Select(
                attempt => Assert.Single(attempt.Checks).Verdict
            )
        );
    }

    [Theory]
    [InlineData(ToolEffect.Write)]
    [InlineData(ToolEffect.WriteIdempotent)]
    public async Task A_tool_that_writes_is_called_once_and_fails_with_the_verdict(ToolEffect effect)
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.OK, "done");
        await using var worker = await StartAsync(receiver);

        var run = await worker.RunJobAsync(await RunAsync(worker, receiver, effect, Send));

        Assert.Equal("failed", run.Status);
        Assert.Contains(
            "Step send failed: What the tool send gave breaks the step's contract (schema)",
            run.Error!.Message,
            StringComparison.Ordinal
        );
        Assert.Single(receiver.Posted);
        var step = Assert.Single(await StepsAsync(worker, run.Id));
        Assert.Equal((RunStepStatuses.Failed, Verdicts.Schema), (step.Status, step.Contract!.Verdict));
        var job = await worker.Reads.FindAsync(step.JobId!.Value, TestRun.Cancel);
        Assert.Equal(("contract_violation", Verdicts.Schema), (job!.Error!.Code, job.Contract!.Verdict));
    }

    [Fact]
    public async Task A_call_whose_approval_nobody_gives_is_asked_for_no_more_often_than_the_step_may_be_tried()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(receiver);
        var tool = await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Read) with { NeedsApproval = true });
        var run = RunDraft.Of(
            Send.Replace("\"tool\":\"send\"", "\"tool\":\"send\",\"max_attempts\":1", StringComparison.Ordinal),
            "{}",
            null,
            tool
        );

        await worker.SubmitAsync(run);
        await worker.UntilAsync(
            async () =>
            {
                await worker.ExecuteAsync("UPDATE job_waits SET timeout_at = now() WHERE answered_at IS NULL", Guid.Empty);
                return await worker.StatusAsync(run.Id) == JobStatus.Failed;
            },
            "the run has failed"
        );

        Assert.Equal(1L, await worker.ScalarAsync<long>("SELECT count(*) FROM job_waits"));
        Assert.Empty(receiver.Posted);
    }

    [Fact]
    public async Task A_transform_and_the_run_itself_fail_when_they_break_their_contracts()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(receiver);
        const string Step =
            """{"steps":[{"name":"sum","type":"transform","value":{"total":"{{input.total}}"},"contract":{"rules":[{"rule":"range","path":"/total","min":1}]}}]}""";
        const string Whole =
            """{"steps":[{"name":"sum","type":"transform","value":"{{input}}"}],"output":{"n":"{{steps.sum.total}}"},"contract":{"schema":{"type":"object","properties":{"n":{"type":"number"}}}}}""";

        var broken = await worker.RunJobAsync(RunDraft.Of(Step, """{"total":0}"""));
        var fits = await worker.RunJobAsync(RunDraft.Of(Step, """{"total":1}"""));
        var wrong = await worker.RunJobAsync(RunDraft.Of(Whole, """{"total":"x"}"""));
        var right = await worker.RunJobAsync(RunDraft.Of(Whole, """{"total":3}"""));

        Assert.Equal(("failed", "completed", "failed", "completed"), (broken.Status, fits.Status, wrong.Status, right.Status));
        Assert.Contains(
            "Step sum failed: What it gives breaks its contract (rule): /total",
            broken.Error!.Message,
            StringComparison.Ordinal
        );
        Assert.Equal(Verdicts.Rule, Assert.Single(await StepsAsync(worker, broken.Id)).Contract!.Verdict);
        Assert.Equal(Verdicts.Valid, Assert.Single(await StepsAsync(worker, fits.Id)).Contract!.Verdict);
        Assert.Equal(("contract_violation", Verdicts.Schema), (wrong.Error!.Code, wrong.Contract!.Verdict));
        Assert.Contains("/n is string", wrong.Error.Message, StringComparison.Ordinal);
        Assert.Equal(("""{"n":3}""", Verdicts.Valid), (right.Output!.Text, right.Contract!.Verdict));
    }

    [Theory]
    [InlineData("""["a","b"]""", StepStatus.Succeeded)]
    [InlineData("""["a",null]""", StepStatus.Failed)]
    public void A_map_s_contract_is_about_the_list_of_what_its_items_gave(string list, StepStatus status)
    {
        var definition = JsonSerializer.Deserialize(
            """
            {"steps":[{"name":"m","type":"map","over":"{{input}}","on_failure":"skip","step":{"type":"tool","tool":"t"},
                       "contract":{"schema":{"type":"array","items":{"type":"string"}}}}]}
            """,
            WireJson.Default.WorkflowDefinition
        )!;
        StepState[] states =
        [
            new("m", null, StepStatus.Running) { Type = StepTypes.Map },
            new("m", 0, StepStatus.Succeeded),
            new("m", 1, StepStatus.Succeeded),
        ];

        var first = Next(new(StringComparer.Ordinal));
        var second = Next(new(StringComparer.Ordinal) { ["m"] = JsonElement.Parse(list) });

        Assert.Equal(("m", false), (Assert.Single(first.Wanted), first.IsOver));
        var map = Assert.Single(second.Ended);
        Assert.Equal((status, true), (map.Status, second.IsOver));
        Assert.Equal(status == StepStatus.Succeeded ? Verdicts.Valid : Verdicts.Schema, map.Check!.Verdict);

        NextSteps Next(Dictionary<string, JsonElement> outputs) =>
            WorkflowPlan.Next(
                definition,
                JsonElement.Parse("[1,2]"),
                states,
                outputs,
                DateTimeOffset.UnixEpoch,
                Guid.CreateVersion7,
                Contract.Checker
            );
    }

    [Fact]
    public async Task A_map_s_list_is_read_and_looked_at_before_anything_is_made_of_it()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.OK, """{"id":7}""");
        await using var worker = await StartAsync(receiver);
        const string Each = """
            {"steps":[{"name":"m","type":"map","over":"{{input}}","step":{"type":"tool","tool":"send","arguments":{"to":"a","amount":"{{item}}"}},
                       "contract":{"schema":{"type":"array","MANY":1}}},
                      {"name":"out","type":"transform","value":"{{steps.m.0.id}}"}]}
            """;

        var wrong = await worker.RunJobAsync(
            await RunAsync(worker, receiver, ToolEffect.Read, Each.Replace("MANY", "maxItems", StringComparison.Ordinal), "[1,2]")
        );
        var right = await worker.RunJobAsync(
            await RunAsync(worker, receiver, ToolEffect.Read, Each.Replace("MANY", "minItems", StringComparison.Ordinal), "[1,2]")
        );

        Assert.Equal(("failed", "completed"), (wrong.Status, right.Status));
        Assert.Contains("Step m failed: What it gives breaks its contract (schema)", wrong.Error!.Message, StringComparison.Ordinal);
        Assert.Equal("7", right.Output!.Text);
        Assert.DoesNotContain(await StepsAsync(worker, wrong.Id), step => step.Name == "out");
    }

    private static async Task<List<RunStepState>> StepsAsync(CoreHost worker, Guid run) =>
        await new RunStepStore(worker.Database).ShowAsync(ApiKeyStore.DefaultTenant, run, null, 100, TestRun.Cancel);

    private static async Task<JobDraft> RunAsync(
        CoreHost worker,
        ToolReceiver receiver,
        ToolEffect effect,
        string definition,
        string input = "{}"
    ) => RunDraft.Of(definition, input, null, await worker.AddToolAsync(ToolSetup.Http(receiver.Url, effect)));

    private Task<CoreHost> StartAsync(ToolReceiver receiver) => receiver.StartWorkerAsync(postgres, redis, simulator);
}
