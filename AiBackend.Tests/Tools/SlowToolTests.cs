using System.Globalization;
using System.Net;
using System.Text.Json;
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

/// <summary>HTTP tools that are slower, or say more, than they may: a job is held up by neither.</summary>
public sealed class SlowToolTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    // The default is 15 s: what takes less was ended by the tool's own time, on a slow machine too.
    private const int Seconds = 1;
    private const double Default = 15;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_tool_that_only_reads_and_is_not_done_in_its_time_is_told_to_the_model_as_an_error(bool hasBegun)
    {
        var model = await simulator.ModelAsync(new { tools = "first", words = 3 });
        await using var receiver = await ToolReceiver.StartAsync();
        await using var stalled = await StalledServer.StartAsync();
        receiver.HoldFor(2);
        await using var worker = await StartAsync(model, receiver.Origin, stalled.Address);
        var url = hasBegun ? stalled.Address.ToString() : receiver.Url;

        var job = await worker.RunJobAsync(
            ToolSetup.Draft(await worker.AddToolAsync(ToolSetup.Http(url, ToolEffect.Read) with { TimeoutSeconds = Seconds }))
        );

        Assert.Equal(("completed", 1), (job.Status, job.Attempt));
        var call = Assert.Single(await worker.ToolCallsAsync(job.Id));
        Assert.Equal((ToolCallState.Failed, "The tool could not be called: timeout."), (call.State, call.Result));
        Assert.InRange(await TookAsync(worker, job.Id), Seconds * 0.9, Default - 1);
        Assert.Contains(call.Result!, await ToldAsync(model), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_tool_that_writes_and_is_not_done_in_its_time_is_not_sent_again_and_a_person_is_asked()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.HoldFor(2);
        await using var worker = await StartAsync(await simulator.ModelAsync(new { tools = "first", words = 3 }), receiver.Origin);
        var tool = ToolSetup.Http(receiver.Url, ToolEffect.Write) with { TimeoutSeconds = Seconds };
        var draft = ToolSetup.Draft(await worker.AddToolAsync(tool));
        await worker.SubmitAsync(draft);

        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.WaitingForReview, "a person is asked");

        var wait = Assert.Single(await worker.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, draft.Id, TestRun.Cancel));
        Assert.Contains("\"reason\":\"outcome_unknown\"", wait.Question, StringComparison.Ordinal);
        Assert.Equal(ToolCallState.OutcomeUnknown, Assert.Single(await worker.ToolCallsAsync(draft.Id)).State);
        // Where the machine stops for a second none has arrived, and nobody knows that either.
        Assert.InRange(receiver.Posted.Count(), 0, 1);
    }

    [Fact]
    public async Task I_5_a_tool_whose_repeats_are_told_apart_and_that_is_late_once_is_sent_again_under_its_key()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.HoldFirst();
        await using var worker = await StartAsync(await simulator.ModelAsync(new { tools = "first", words = 3 }), receiver.Origin);
        var tool = ToolSetup.Http(receiver.Url, ToolEffect.WriteIdempotent) with { TimeoutSeconds = Seconds };
        var draft = ToolSetup.Draft(await worker.AddToolAsync(tool));
        await worker.SubmitAsync(draft);

        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.Completed, "it is done");

        Assert.InRange(Assert.Single(receiver.Sends), 2, 3);
        Assert.Equal(ToolCallState.Done, Assert.Single(await worker.ToolCallsAsync(draft.Id)).State);
    }

    // 101 bytes end in the middle of a letter.
    [Theory]
    [InlineData(100, 50)]
    [InlineData(101, 50)]
    public async Task A_result_that_never_ends_is_cut_off_at_its_limit_and_the_model_goes_on(int bytes, int letters)
    {
        var model = await simulator.ModelAsync(new { tools = "first", words = 3 });
        await using var stalled = await StalledServer.StartAsync();
        await using var worker = await StartAsync(model, stalled.Address);
        var tool = ToolSetup.Http(stalled.Endless.ToString(), ToolEffect.Read) with { MaxResultBytes = bytes };

        var job = await worker.RunJobAsync(ToolSetup.Draft(await worker.AddToolAsync(tool)));

        Assert.Equal(("completed", 1), (job.Status, job.Attempt));
        var call = Assert.Single(await worker.ToolCallsAsync(job.Id));
        Assert.Equal((ToolCallState.Done, new string('ä', letters)), (call.State, call.Result));
        Assert.DoesNotContain(new string('ä', letters + 1), await ToldAsync(model), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_tool_says_when_it_refuses_is_cut_off_at_the_same_limit()
    {
        var model = await simulator.ModelAsync(new { tools = "first", words = 3 });
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = (HttpStatusCode.BadRequest, new string('x', 70_000));
        await using var worker = await StartAsync(model, receiver.Origin);
        var tool = ToolSetup.Http(receiver.Url, ToolEffect.Write) with { MaxResultBytes = 200 };

        var job = await worker.RunJobAsync(ToolSetup.Draft(await worker.AddToolAsync(tool)));

        Assert.Equal("completed", job.Status);
        var call = Assert.Single(await worker.ToolCallsAsync(job.Id));
        Assert.Equal((ToolCallState.Failed, 200), (call.State, call.Result!.Length));
        Assert.StartsWith("The tool answered with status 400. xxx", call.Result, StringComparison.Ordinal);
        Assert.DoesNotContain(new string('x', 200), await ToldAsync(model), StringComparison.Ordinal);
    }

    /// <returns>What readers of the log are told that the call took.</returns>
    private static async Task<double> TookAsync(CoreHost worker, Guid job)
    {
        var told = (await worker.EventsAsync(job)).Single(each => each.Kind == JobEventKind.ToolResult).Data;
        using var result = JsonDocument.Parse(told);
        return result.RootElement.GetProperty("seconds").GetDouble();
    }

    /// <returns>All that the model was given with its last question.</returns>
    private async Task<string> ToldAsync(string model)
    {
        var calls = await simulator.CallsAsync(model, TestRun.Cancel);
        return string.Join('\n', calls[^1].GetProperty("messages").EnumerateArray().Select(each => each.GetProperty("content").ToString()));
    }

    private async Task<CoreHost> StartAsync(string model, params Uri[] allowed) =>
        await WorkerUnderTest.StartAsync(
            await postgres.CreateDatabaseAsync(),
            redis,
            [(simulator.Address, model)],
            allowed.Select(
                (uri, i) => (string.Create(CultureInfo.InvariantCulture, $"Egress:Allow:{i}"), uri.GetLeftPart(UriPartial.Authority))
            )
        );
}
