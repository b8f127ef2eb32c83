using System.Net;
using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Knowledge;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Tools;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Workflows;

/// <summary>Steps that call tools, from the run to the receiver and back.</summary>
public sealed class ToolStepTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string Send = """
        {"steps":[{"name":"send","type":"tool","tool":"send","arguments":{"to":"{{input.to}}","amount":"{{input.amount}}"}},
                  {"name":"out","type":"transform","value":"{{steps.send.id}}"}]}
        """;

    private const string Input = """{"to":"a","amount":2}""";

    [Fact]
    public async Task The_receiver_has_the_values_in_their_types_and_the_next_step_has_its_answer()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.OK, """{"id":7}""");
        await using var worker = await StartAsync(receiver);

        var run = await worker.RunJobAsync(await RunAsync(worker, receiver, ToolEffect.Write));

        Assert.True(run.Status == "completed", run.Error?.Message);
        Assert.Equal("7", run.Output!.Text);
        var received = Assert.Single(receiver.Posted);
        Assert.Equal("""{"to":"a","amount":2}""", received.Body);
        var step = await worker.ScalarAsync<Guid>("SELECT job_id FROM workflow_steps WHERE name = 'send'");
        var call = Assert.Single(await worker.ToolCallsAsync(step));
        Assert.Equal((ToolCallState.Done, received.Key), (call.State, call.EffectId));
        Assert.Equal("tool", (await worker.Reads.FindAsync(step, TestRun.Cancel))!.Type);
    }

    [Fact]
    public async Task A_tool_that_reads_is_called_again_after_a_failure_and_one_that_writes_is_not()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.Conflict, "no");
        await using var worker = await StartAsync(receiver);

        var wrote = await worker.RunJobAsync(await RunAsync(worker, receiver, ToolEffect.Write));
        var afterWrite = receiver.Posted.Count();
        // Far longer than it is waited for here: it is tried again when this test says so, and no sooner.
        const string Slow = ",\"max_attempts\":4,\"backoff\":{\"initial_seconds\":600,\"max_seconds\":3000}";
        var reading = await RunAsync(worker, receiver, ToolEffect.Read, Slow);
        await worker.SubmitAsync(reading);
        // More often than a model might ask the same.
        for (var tries = 1; tries < 4; tries++)
        {
            await Eventually.TrueAsync(
                async _ =>
                    await worker.ScalarAsync<long>($"SELECT count(*) FROM jobs WHERE type = 4 AND status = 5 AND attempt = {tries}") == 1,
                $"try {tries} has failed"
            );
            Assert.Equal(afterWrite + tries, receiver.Posted.Count());
            receiver.Answer = tries < 3 ? receiver.Answer : (HttpStatusCode.OK, """{"id":8}""");
            await worker.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE type = 4 AND status = 5", Guid.Empty);
        }

        await worker.UntilAsync(async () => await worker.StatusAsync(reading.Id) == JobStatus.Completed, "the run has its answer");

        Assert.Equal(("failed", 1), (wrote.Status, afterWrite));
        Assert.Contains(
            "Step send failed: The tool send failed. The tool answered with status 409",
            wrote.Error!.Message,
            StringComparison.Ordinal
        );
        Assert.Equal(afterWrite + 4, receiver.Posted.Count());
    }

    [Fact]
    public async Task Arguments_that_do_not_fit_fail_the_step_and_nothing_is_called()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(receiver);

        var run = await worker.RunJobAsync(await RunAsync(worker, receiver, ToolEffect.Read, input: """{"to":"a","amount":0}"""));

        Assert.Equal("failed", run.Status);
        Assert.Contains("The tool send failed", run.Error!.Message, StringComparison.Ordinal);
        Assert.Empty(receiver.Posted);
        Assert.Equal("caller_error", await worker.ScalarAsync<string>("SELECT error_class FROM jobs WHERE type = 4"));
    }

    [Fact]
    public async Task A_62_a_tool_that_needs_approval_is_not_called_before_a_person_has_given_it()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.OK, """{"id":9}""");
        await using var worker = await StartAsync(receiver);
        var run = await RunAsync(worker, receiver, ToolEffect.Write, needsApproval: true);
        await worker.SubmitAsync(run);
        await worker.UntilAsync(
            async () => await worker.ScalarAsync<long>("SELECT count(*) FROM job_waits WHERE answered_at IS NULL") == 1,
            "a person is asked"
        );
        Assert.Empty(receiver.Posted);

        var step = await worker.ScalarAsync<Guid>("SELECT job_id FROM workflow_steps WHERE name = 'send'");
        await worker.Get<AnswerWait>().ReviewContinuesAsync(new(ApiKeyStore.DefaultTenant, step, 1), null, TestRun.Cancel);

        await worker.UntilAsync(async () => await worker.StatusAsync(run.Id) == JobStatus.Completed, "the run goes on");
        Assert.Single(receiver.Posted);
    }

    [Fact]
    public async Task I_5_a_write_that_was_sent_and_not_answered_is_not_sent_again_by_whoever_comes_next()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.OK, """{"id":7}""");
        await using var worker = await StartAsync(receiver);
        var run = await RunAsync(worker, receiver, ToolEffect.Write);
        // As a worker leaves it that dies after the send: the step, its job, and the call in the ledger.
        var step = Guid.CreateVersion7();
        await worker.ExecuteAsync(
            $"INSERT INTO workflow_steps (run_id, name, tenant_id, state, type, job_id) VALUES ('{run.Id}', 'send', '{ApiKeyStore.DefaultTenant}', 1, 'tool', '{step}')",
            Guid.Empty
        );
        await worker.ExecuteAsync(
            $$"""
            INSERT INTO job_tool_calls (job_id, round, position, tenant_id, attempt, call_id, tool, version, effect, arguments, effect_id, state, sent_at)
            VALUES ('{{step}}', 1, 0, '{{ApiKeyStore.DefaultTenant}}', 1, 'step-1', 'send', 1, 3, '{"to":"a","amount":2}', '{{step:N}}-1-0', 2, now())
            """,
            Guid.Empty
        );

        await worker.SubmitAsync(run);

        await worker.UntilAsync(
            async () =>
                await worker.ScalarAsync<string?>("SELECT min(question) FROM job_waits WHERE answered_at IS NULL") is { } question
                && question.Contains("outcome_unknown", StringComparison.Ordinal),
            "a person is asked what became of it"
        );
        Assert.Empty(receiver.Posted);
    }

    [Theory]
    [InlineData(ToolEffect.Write)]
    [InlineData(ToolEffect.WriteIdempotent)]
    public async Task I_5_a_write_that_failed_is_not_made_again_by_whoever_comes_to_know_of_it(ToolEffect effect)
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(receiver);
        var run = await RunAsync(worker, receiver, effect);
        // As a worker leaves it that dies after the receipt, and before it could say how the job ends.
        var step = Guid.CreateVersion7();
        await worker.ExecuteAsync(
            $"INSERT INTO workflow_steps (run_id, name, tenant_id, state, type, job_id) VALUES ('{run.Id}', 'send', '{ApiKeyStore.DefaultTenant}', 1, 'tool', '{step}')",
            Guid.Empty
        );
        await worker.ExecuteAsync(
            $$"""
            INSERT INTO job_tool_calls (job_id, round, position, tenant_id, attempt, call_id, tool, version, effect, arguments, effect_id, state, result, sent_at, ended_at)
            VALUES ('{{step}}', 1, 0, '{{ApiKeyStore.DefaultTenant}}', 1, 'step-1', 'send', 1, {{(int)effect}}, '{"to":"a","amount":2}', '{{step:N}}-1-0', 4, 'busy', now(), now())
            """,
            Guid.Empty
        );

        var ended = await worker.RunJobAsync(run);

        Assert.Equal("failed", ended.Status);
        Assert.Contains("The tool send failed. busy", ended.Error!.Message, StringComparison.Ordinal);
        Assert.Empty(receiver.Posted);
    }

    [Fact]
    public async Task A_client_that_does_not_answer_is_asked_once()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(receiver);
        var tool = await worker.AddToolAsync(ToolSetup.Client(timeoutSeconds: 1));

        var run = await worker.RunJobAsync(RunDraft.Of(Send, Input, null, tool));

        Assert.Equal("failed", run.Status);
        Assert.Contains("There was no result in time.", run.Error!.Message, StringComparison.Ordinal);
        Assert.Equal(1L, await worker.ScalarAsync<long>("SELECT count(*) FROM job_tool_calls"));
    }

    [Fact]
    public async Task A_chat_step_s_model_calls_tools_and_a_tool_looks_into_the_tenant_s_texts()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var behaviour = new
        {
            tools = "first",
            words = 3,
            tool_arguments = """{"collection":"manuals","query":"pump"}""",
        };
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            (simulator.Address, await simulator.ModelAsync(behaviour))
        );
        await worker.AddPassageAsync("manuals", "open", "The pump is open");
        await worker.AddPassageAsync("manuals", "secret", "The pump is secret", reader: "bob");
        var run = RunDraft.Of(
            """
            {"steps":[{"name":"ask","type":"chat","tools":["search_knowledge"],"messages":[{"role":"user","content":"Hi"}]},
                      {"name":"find","type":"tool","tool":"search_knowledge","arguments":{"collection":"manuals","query":"pump"}}],
             "output":"{{steps.find}}"}
            """,
            "{}",
            null,
            new PinnedTool("search_knowledge", 0)
        );

        var done = await worker.RunJobAsync(run);

        Assert.True(done.Status == "completed", done.Error?.Message);
        // What only some may read is not found by whoever speaks for nobody.
        var passage = Assert.Single(JsonElement.Parse(done.Output!.Text).EnumerateArray().ToList());
        Assert.Equal(("open", "The pump is open"), (passage.GetProperty("source").GetString(), passage.GetProperty("text").GetString()));
        var asked = await worker.ScalarAsync<Guid>("SELECT job_id FROM workflow_steps WHERE name = 'ask'");
        Assert.Contains("The pump is open", Assert.Single(await worker.ToolCallsAsync(asked)).Result, StringComparison.Ordinal);
    }

    private static async Task<JobDraft> RunAsync(
        CoreHost worker,
        ToolReceiver receiver,
        ToolEffect effect,
        string members = "",
        string input = Input,
        bool needsApproval = false
    )
    {
        var tool = await worker.AddToolAsync(ToolSetup.Http(receiver.Url, effect) with { NeedsApproval = needsApproval });
        return RunDraft.Of(Send.Replace("\"tool\":\"send\"", "\"tool\":\"send\"" + members, StringComparison.Ordinal), input, null, tool);
    }

    private Task<CoreHost> StartAsync(ToolReceiver receiver) => receiver.StartWorkerAsync(postgres, redis, simulator);
}
