using System.Net;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Tools;

// What becomes of calls that do something.
public sealed partial class ToolJobTests
{
    [Theory]
    [InlineData(500)]
    // An origin that took too long behind a proxy, and one that has done it and says where to look.
    [InlineData(524)]
    [InlineData(303)]
    public async Task A_write_whose_outcome_nobody_knows_is_never_sent_again_and_a_person_decides(int status)
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.Answer = ((HttpStatusCode)status, "");
        await using var worker = await StartAsync(new { tools = "first", words = 3 }, receiver);
        var draft = ToolSetup.Draft(await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.Write)));
        await worker.SubmitAsync(draft);
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.WaitingForReview, "a person is asked");
        var wait = Assert.Single(await worker.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, draft.Id, TestRun.Cancel));
        Assert.Contains("\"reason\":\"outcome_unknown\"", wait.Question, StringComparison.Ordinal);
        Assert.Equal(ToolCallState.OutcomeUnknown, Assert.Single(await worker.ToolCallsAsync(draft.Id)).State);

        await worker
            .Get<AnswerWait>()
            .ReviewContinuesAsync(new(ApiKeyStore.DefaultTenant, draft.Id, wait.Attempt), "\"It was sent.\"", TestRun.Cancel);
        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.Completed, "the job goes on");

        Assert.Contains("It was sent.", Assert.Single(await worker.ToolCallsAsync(draft.Id)).Result, StringComparison.Ordinal);
        Assert.Single(receiver.Posted);
    }

    [Fact]
    public async Task I_5_a_write_whose_repeats_are_told_apart_is_sent_again_under_its_key_until_it_is_known_to_be_done()
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.First.Enqueue(HttpStatusCode.InternalServerError);
        receiver.First.Enqueue(HttpStatusCode.GatewayTimeout);
        await using var worker = await StartAsync(new { tools = "first", words = 3 }, receiver);

        var job = await worker.RunJobAsync(
            ToolSetup.Draft(await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.WriteIdempotent)))
        );

        Assert.Equal("completed", job.Status);
        Assert.Equal([3], receiver.Sends);
        Assert.Equal(ToolCallState.Done, Assert.Single(await worker.ToolCallsAsync(job.Id)).State);
    }

    // At the same time: all wait between their repeats.
    [Fact]
    public Task I_5_a_write_whose_repeats_are_told_apart_and_that_stays_unknown_is_for_a_person() =>
        Task.WhenAll(
            StayUnknownAsync(HttpStatusCode.BadGateway),
            // The first one is still at it: what a repeat is refused for says nothing of that.
            StayUnknownAsync(HttpStatusCode.Conflict),
            StayUnknownAsync(HttpStatusCode.ServiceUnavailable)
        );

    private async Task StayUnknownAsync(HttpStatusCode repeats)
    {
        await using var receiver = await ToolReceiver.StartAsync();
        receiver.First.Enqueue(HttpStatusCode.GatewayTimeout);
        receiver.Answer = (repeats, "");
        // Of its own: workers of two databases would take each other's jobs out of one queue.
        await using var own = await RedisServer.StartNewAsync();
        await using var worker = await WorkerUnderTest.StartAsync(
            await postgres.CreateDatabaseAsync(),
            own,
            [(simulator.Address, await simulator.ModelAsync(new { tools = "first", words = 3 }))],
            [receiver.Allowed]
        );
        var draft = ToolSetup.Draft(await worker.AddToolAsync(ToolSetup.Http(receiver.Url, ToolEffect.WriteIdempotent)));

        await worker.SubmitAsync(draft);

        await worker.UntilAsync(async () => await worker.StatusAsync(draft.Id) == JobStatus.WaitingForReview, "a person is asked");
        Assert.Equal([3], receiver.Sends);
    }

    [Theory]
    [InlineData("accept", "completed")]
    [InlineData("fail", "failed")]
    public async Task What_nobody_approves_in_time_is_not_sent(string onTimeout, string status)
    {
        await using var receiver = await ToolReceiver.StartAsync();
        await using var worker = await StartAsync(
            await simulator.ModelAsync(new { tools = "first", words = 3 }),
            receiver,
            ("Reviews:Timeout", "00:00:01"),
            ("Reviews:OnTimeout", onTimeout)
        );
        var tool = ToolSetup.Http(receiver.Url, ToolEffect.Write) with { NeedsApproval = true };

        var job = await worker.RunJobAsync(ToolSetup.Draft(await worker.AddToolAsync(tool)));

        Assert.Equal(status, job.Status);
        Assert.Empty(receiver.Calls);
    }
}
