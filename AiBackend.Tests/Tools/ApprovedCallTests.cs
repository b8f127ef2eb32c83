using System.Net;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;
using AiBackend.Tests.Workflows;

namespace AiBackend.Tests.Tools;

/// <summary>A call that a person has approved, and that fails all the same: it uses up a try, and people are asked no more often than there are tries.</summary>
public sealed class ApprovedCallTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const int Tries = 2;

    private static readonly string Step = $$$"""
        {"steps":[{"name":"send","type":"tool","tool":"send","arguments":{"to":"a","amount":2},"max_attempts":{{{Tries}}}}]}
        """;

    [Theory]
    // What only reads is called again, after another approval each time.
    [InlineData(ToolEffect.Read, Tries)]
    [InlineData(ToolEffect.Write, 1)]
    [InlineData(ToolEffect.WriteIdempotent, 1)]
    public async Task A_step_whose_approved_call_fails_ends_and_asks_people_no_more_often_than_it_calls(ToolEffect effect, int calls)
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.Conflict, "no");
        await using var worker = await receiver.StartWorkerAsync(postgres, redis, simulator);
        var tool = await worker.AddToolAsync(ToolSetup.Http(receiver.Url, effect) with { NeedsApproval = true });
        var run = RunDraft.Of(Step, "{}", null, tool);
        await worker.SubmitAsync(run);

        await UntilEndedAsync(worker, run.Id);

        var ended = (await worker.Reads.FindAsync(run.Id, TestRun.Cancel))!;
        Assert.Equal(("failed", "step_failed"), (ended.Status, ended.Error!.Code));
        Assert.Contains("The tool send failed. The tool answered with status 409", ended.Error.Message, StringComparison.Ordinal);
        Assert.Equal((calls, calls), (receiver.Posted.Count(), await worker.ScalarAsync<int>("SELECT count(*) FROM job_waits")));
        var step = await worker.ScalarAsync<Guid>("SELECT job_id FROM workflow_steps WHERE name = 'send'");
        Assert.All(await worker.ToolCallsAsync(step), call => Assert.Equal(ToolCallState.Failed, call.State));
    }

    [Fact]
    public async Task A_chat_whose_approved_call_fails_tells_its_model_and_asks_nobody_again()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.Conflict, "no");
        await using var worker = await WorkerUnderTest.StartAsync(
            await postgres.CreateDatabaseAsync(),
            redis,
            [
                (
                    simulator.Address,
                    await simulator.ModelAsync(
                        new
                        {
                            tools = "first",
                            words = 3,
                            tool_arguments = """{"to":"a","amount":2}""",
                        }
                    )
                ),
            ],
            [receiver.Allowed]
        );
        var draft = ToolSetup.Draft(
            await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Write) with { NeedsApproval = true })
        );
        await worker.SubmitAsync(draft);

        await UntilEndedAsync(worker, draft.Id);

        Assert.Equal(JobStatus.Completed, await worker.StatusAsync(draft.Id));
        var call = Assert.Single(await worker.ToolCallsAsync(draft.Id));
        Assert.Equal(ToolCallState.Failed, call.State);
        Assert.Contains("409", call.Result, StringComparison.Ordinal);
        Assert.Single(receiver.Posted);
        Assert.Equal(1, await worker.ScalarAsync<int>("SELECT count(*) FROM job_waits"));
    }

    /// <summary>A person who approves whatever is asked.</summary>
    private static Task UntilEndedAsync(CoreHost worker, Guid job) =>
        worker.UntilAsync(
            async () =>
            {
                if (await worker.ScalarAsync<int>("SELECT count(*) FROM job_waits WHERE answered_at IS NULL") == 1)
                {
                    var asked = await worker.ScalarAsync<Guid>("SELECT job_id FROM job_waits WHERE answered_at IS NULL");
                    var attempt = await worker.ScalarAsync<int>("SELECT attempt::int FROM job_waits WHERE answered_at IS NULL");
                    await worker
                        .Get<AnswerWait>()
                        .ReviewContinuesAsync(new(ApiKeyStore.DefaultTenant, asked, attempt), null, TestRun.Cancel);
                }

                // Or else without end.
                return await worker.StatusAsync(job) >= JobStatus.Completed
                    || await worker.ScalarAsync<int>("SELECT count(*) FROM job_waits") > Tries;
            },
            "the job ends"
        );
}
