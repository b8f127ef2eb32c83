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

namespace AiBackend.Tests.Tools;

/// <summary>Jobs whose model calls registered tools, from model to receiver and back.</summary>
public sealed partial class ToolJobTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task A_tool_that_comes_with_the_product_is_run_and_the_model_goes_on_with_its_result()
    {
        await using var worker = await StartAsync(
            new
            {
                tools = "first",
                words = 3,
                tool_arguments = "{}",
            }
        );

        var job = await worker.RunJobAsync(ToolSetup.Draft(new PinnedTool("current_time", 0)));

        Assert.Equal(("completed", 1), (job.Status, job.Attempt));
        Assert.Empty(job.Output!.ToolCalls);
        var call = Assert.Single(await worker.ToolCallsAsync(job.Id));
        Assert.Equal((ToolCallState.Done, 1, 0), (call.State, call.Round, call.Version));
        Assert.Contains("Z, ", call.Result, StringComparison.Ordinal);
        var kinds = (await worker.EventsAsync(job.Id)).Select(each => each.Kind).ToList();
        Assert.Equal(
            [JobEventKind.ToolCall, JobEventKind.ToolResult, JobEventKind.Reset],
            kinds.Where(kind => kind is JobEventKind.ToolCall or JobEventKind.ToolResult or JobEventKind.Reset)
        );
    }

    [Fact]
    public async Task The_receiver_has_the_arguments_the_key_and_the_secret_and_the_model_has_its_answer()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(new { tools = "first", words = 3 }, receiver);
        var secret = worker.Get<ToolSeal>().Seal(ApiKeyStore.DefaultTenant, ToolSetup.Name, "s3cret");
        var tool = ToolSetup.Http(receiver.Url, ToolEffect.Write) with { HeaderName = "X-Secret" };
        receiver.Answer = (HttpStatusCode.OK, "sent " + new string('x', ToolDefinition.DefaultResultBytes));

        var job = await worker.RunJobAsync(ToolSetup.Draft(await worker.AddToolAsync(tool, secret: secret)));

        Assert.Equal("completed", job.Status);
        var received = Assert.Single(receiver.Posted);
        var call = Assert.Single(await worker.ToolCallsAsync(job.Id));
        Assert.Equal(("s3cret", call.EffectId, call.Arguments), (received.Secret, received.Key, received.Body));
        Assert.Equal((ToolCallState.Done, ToolDefinition.DefaultResultBytes), (call.State, call.Result!.Length));
        Assert.NotNull(call.SentAt);
    }

    [Theory]
    [InlineData("[1]", "The arguments must be a JSON object.")]
    [InlineData("{\"to\":5,\"amount\":0}", "do not fit")]
    [InlineData("nothing", "not valid JSON")]
    [InlineData("{\"to\":\"\\ud83d\",\"amount\":1}", "half of a surrogate pair")]
    [InlineData("{\"to\":\"a\\u0000\",\"amount\":1}", "U+0000")]
    [InlineData("{\"to\":\"a\",\"amount\":1e99999999999}", "too large or too small")]
    public async Task A_55_arguments_that_do_not_fit_are_told_to_the_model_and_nothing_is_called(string arguments, string told)
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(
            new
            {
                tools = "first",
                words = 3,
                tool_arguments = arguments,
            },
            receiver
        );

        var job = await worker.RunJobAsync(
            ToolSetup.Draft(await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.WriteIdempotent)))
        );

        Assert.Equal("completed", job.Status);
        var call = Assert.Single(await worker.ToolCallsAsync(job.Id));
        Assert.Equal(ToolCallState.Failed, call.State);
        Assert.Contains(told, call.Result, StringComparison.Ordinal);
        Assert.Empty(receiver.Calls);
    }

    [Fact]
    public async Task A_55_arguments_of_almost_a_megabyte_are_told_to_the_model_and_not_given_back_to_it()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        var model = await simulator.ModelAsync(
            new
            {
                tools = "first",
                words = 3,
                tool_arguments = $$"""{"to":"{{new string('x', 900_000)}}","amount":1}""",
            }
        );
        await using var worker = await StartAsync(model, receiver);

        var job = await worker.RunJobAsync(
            ToolSetup.Draft(await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.WriteIdempotent)))
        );

        // Or the provider's answer is refused before; either way nothing was called and nothing hangs.
        Assert.Contains(job.Status, new[] { "completed", "failed" });
        Assert.Empty(receiver.Calls);
        Assert.All(await worker.ToolCallsAsync(job.Id), call => Assert.Equal((ToolCallState.Failed, "{}"), (call.State, call.Arguments)));
    }

    [Fact]
    public async Task A_55_more_than_100_calls_at_once_end_the_job_and_none_is_made()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(new { tools = "first", tool_copies = 101 }, receiver);

        var job = await worker.RunJobAsync(ToolSetup.Draft(await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Write))));

        Assert.Equal(("failed", "tool_limit"), (job.Status, job.Error!.Code));
        Assert.Empty(receiver.Calls);
    }

    [Fact]
    public async Task A_63_a_model_that_asks_the_same_for_the_third_time_is_stopped()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(new { tools = "always" }, receiver);

        var job = await worker.RunJobAsync(ToolSetup.Draft(await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Write))));

        Assert.Equal(("failed", "tool_limit"), (job.Status, job.Error!.Code));
        Assert.Equal(2, receiver.Posted.Count());
        Assert.Equal([1, 1], receiver.Sends);
    }

    [Theory]
    [InlineData("Tools:MaxRounds", "1", null)]
    [InlineData("Tools:MaxCalls", "1", null)]
    [InlineData("Tools:MaxTokens", "1", null)]
    [InlineData("Tools:MaxCostUsd", "0.000001", null)]
    [InlineData(null, null, 1)]
    public async Task A_63_a_job_is_stopped_at_each_limit(string? setting, string? value, int? maxCalls)
    {
        await using var receiver = await ToolReceiver.StartAsync();
        var model = await simulator.ModelAsync(new { tools = "always" });
        (string, string)[] price =
        [
            ("Money:Prices:0:Provider", "p0"),
            ("Money:Prices:0:Model", model),
            ("Money:Prices:0:Input", "1000"),
            ("Money:Prices:0:Output", "1000"),
        ];
        await using var worker = await StartAsync(model, receiver, setting is null ? price : [.. price, (setting, value!)]);
        var tool = await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Write));

        var job = await worker.RunJobAsync(ToolSetup.Draft(new ToolTerms([tool], maxCalls)));

        Assert.Equal(("failed", "tool_limit"), (job.Status, job.Error!.Code));
        Assert.True(receiver.Posted.Count() <= 1);
    }

    [Fact]
    public async Task A_62_a_tool_of_another_tenant_or_of_another_key_is_not_called()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(new { tools = "first", words = 3 }, receiver);
        var others = await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Read), tenant: Guid.CreateVersion7());

        var job = await worker.RunJobAsync(ToolSetup.Draft(others));
        var keys = await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Read) with { Keys = ["somebody"] });
        var other = await worker.RunJobAsync(ToolSetup.Draft(keys));

        // The model was not even offered it.
        Assert.Equal(("completed", "completed"), (job.Status, other.Status));
        Assert.Empty(await worker.ToolCallsAsync(job.Id));
        Assert.Empty(await worker.ToolCallsAsync(other.Id));
        Assert.Empty(receiver.Calls);
    }

    [Fact]
    public async Task A_61_a_person_approves_the_exact_arguments_before_anything_is_sent()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(new { tools = "first", words = 3 }, receiver);
        var draft = ToolSetup.Draft(
            await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Write) with { NeedsApproval = true })
        );
        await worker.SubmitAsync(draft);
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.WaitingForReview, "a person is asked");

        var wait = Assert.Single(await worker.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, draft.Id, TestRun.Cancel));
        Assert.Contains("\"reason\":\"tool_approval\"", wait.Question, StringComparison.Ordinal);
        Assert.Contains("simulated", wait.Question, StringComparison.Ordinal);
        Assert.Empty(receiver.Calls);

        await worker.Get<AnswerWait>().ReviewContinuesAsync(new(ApiKeyStore.DefaultTenant, draft.Id, wait.Attempt), null, TestRun.Cancel);
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.Completed, "the job goes on");

        var call = Assert.Single(await worker.ToolCallsAsync(draft.Id));
        Assert.Equal(call.Arguments, Assert.Single(receiver.Posted).Body);
    }

    [Fact]
    public async Task A_clients_results_arrive_once_and_with_the_last_one_the_job_goes_on()
    {
        await using var worker = await StartAsync(
            new
            {
                tools = "first",
                words = 3,
                tool_copies = 2,
            }
        );
        var draft = ToolSetup.Draft(await worker.AddToolAsync(ToolSetup.Client()));
        await worker.SubmitAsync(draft);
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.WaitingForTool, "the job waits for its client");
        var calls = await worker.ToolCallsAsync(draft.Id);
        Assert.Equal(2, calls.Count);
        var answers = new AnswerToolCall(worker.Database, worker.Get<AnswerWait>());

        Assert.IsType<ToolAnswer.NoSuchCall>(await answers.RunAsync(draft.TenantId, draft.Id, "x", "", false, TestRun.Cancel));
        Assert.IsType<ToolAnswer.NoSuchJob>(await answers.RunAsync(Guid.CreateVersion7(), draft.Id, "x", "", false, TestRun.Cancel));
        Assert.IsType<ToolAnswer.Taken>(await answers.RunAsync(draft.TenantId, draft.Id, calls[0].CallId, "one", false, TestRun.Cancel));
        Assert.IsType<ToolAnswer.Repeated>(await answers.RunAsync(draft.TenantId, draft.Id, calls[0].CallId, "two", false, TestRun.Cancel));
        Assert.Equal(JobStatus.WaitingForTool, await worker.StatusAsync(draft.Id));
        Assert.IsType<ToolAnswer.Taken>(await answers.RunAsync(draft.TenantId, draft.Id, calls[1].CallId, "three", true, TestRun.Cancel));
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.Completed, "the job goes on");

        Assert.Equal(["one", "three"], (await worker.ToolCallsAsync(draft.Id)).Select(call => call.Result));
    }

    [Fact]
    public async Task A_client_that_does_not_answer_in_time_is_told_to_the_model_as_an_error()
    {
        await using var worker = await StartAsync(new { tools = "first", words = 3 });
        var draft = ToolSetup.Draft(await worker.AddToolAsync(ToolSetup.Client(1)));

        var job = await worker.RunJobAsync(draft);

        Assert.Equal("completed", job.Status);
        Assert.Equal(ToolCallState.Failed, Assert.Single(await worker.ToolCallsAsync(job.Id)).State);
    }

    private async Task<CoreHost> StartAsync(object behaviour, ToolReceiver? receiver = null) =>
        await StartAsync(await simulator.ModelAsync(behaviour), receiver);

    private async Task<CoreHost> StartAsync(string model, ToolReceiver? receiver, params IEnumerable<(string, string)> settings)
    {
        var database = await postgres.CreateDatabaseAsync();
        return await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            receiver is null ? settings : [receiver.Allowed, .. settings]
        );
    }
}
