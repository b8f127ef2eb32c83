using System.Net;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Worker.Execution.Tools;

namespace AiBackend.Tests.Tools;

/// <summary>The ledger of effects, write by write.</summary>
public sealed class ToolLedgerTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task I_5_who_approved_that_a_call_is_sent_has_not_said_what_came_of_it()
    {
        var ledger = new ToolLedger(Core.Database);
        using var running = await Core.ClaimAsync(await Core.SubmitAsync());
        var lease = running.Job.Lease;
        var call = new ToolCall
        {
            Round = 1,
            Position = 0,
            Attempt = 1,
            CallId = "c",
            Tool = ToolSetup.Name,
            Version = 1,
            Effect = ToolEffect.Write,
            Arguments = "{}",
            EffectId = "e",
            State = ToolCallState.Recorded,
        };
        Assert.True(await ledger.RecordAsync(lease, [call], TestRun.Cancel));
        Assert.True(
            await ledger.MoveAsync(lease, [call with { State = ToolCallState.AwaitingApproval, AskedAttempt = 1 }], TestRun.Cancel)
        );
        Assert.Equal(1, Assert.Single(await Core.ToolCallsAsync(lease.JobId)).AskedAttempt);

        Assert.True(await ledger.MoveAsync(lease, [call with { State = ToolCallState.Sent }], TestRun.Cancel));
        Assert.True(await ledger.MoveAsync(lease, [call with { State = ToolCallState.OutcomeUnknown }], TestRun.Cancel));

        // As the next attempt finds it when the worker dies now: a person is yet to be asked.
        Assert.Null(Assert.Single(await Core.ToolCallsAsync(lease.JobId)).AskedAttempt);
    }

    [Theory]
    [InlineData(400, true)]
    [InlineData(404, true)]
    [InlineData(408, false)]
    [InlineData(429, true)]
    [InlineData(499, false)]
    [InlineData(302, false)]
    [InlineData(307, true)]
    [InlineData(500, false)]
    [InlineData(503, true)]
    [InlineData(507, false)]
    [InlineData(522, false)]
    public void Whoever_may_have_done_something_has_not_refused(int status, bool isRefusal) =>
        Assert.Equal(isRefusal, ToolRunner.IsRefusal((HttpStatusCode)status));
}
