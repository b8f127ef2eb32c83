using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Admission;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Money;
using AiBackend.Tests.Providers;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Admission;

/// <summary>Who waits for one of so many calls at once. The clock stands: nobody asks again because time has passed.</summary>
public sealed class FreedCallsTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private static readonly FakeTime Clock = new();

    [Fact]
    public async Task A_call_that_has_ended_lets_another_one_of_its_worker_go_on_at_once()
    {
        await using var ledger = Core.NewLedger(Clock);
        using var prices = Prices();
        var gate = new CallGate(ledger, prices, new TokenEstimates(), Options.Create(new AdmissionOptions()), Clock);
        var first = Assert.IsType<CallEntry.Admitted>(await EnterAsync(gate));
        var second = EnterAsync(gate);
        Assert.Null(
            (await ledger.ReserveAsync(Spending.Call(await Core.SpenderAsync(), 0) with { Deployment = Deployment }, TestRun.Cancel)).Slot
        );

        first.Permit.Settle(new JobUsage(1, 0, 1, null), isFree: false, isDisputed: false);

        await Eventually.TrueAsync(_ => Task.FromResult(second.IsCompleted), "the second goes on");
        Assert.IsType<CallEntry.Admitted>(await second);
    }

    [Fact]
    public async Task The_urgent_go_first_and_who_asks_after_one_has_ended_does_not_wait_for_the_next()
    {
        var freed = new FreedCalls();
        var seen = freed.Count("p0/m");
        var batch = WaitAsync(level: 2);
        var urgent = WaitAsync(level: 0);
        var other = freed.WaitAsync("p0/other", Wait(0), 0, Clock, TestRun.Cancel);

        freed.Free("p0/m", 1);

        await Eventually.TrueAsync(_ => Task.FromResult(urgent.IsCompleted), "the urgent one goes on");
        Assert.False(batch.IsCompleted);
        Assert.False(other.IsCompleted);
        await WaitAsync(level: 2);
        freed.Free("p0/m", 2);
        await batch;
        freed.Free("p0/other", 1);
        await other;

        Task WaitAsync(int level) => freed.WaitAsync("p0/m", Wait(level), seen, Clock, TestRun.Cancel);
    }

    [Fact]
    public async Task Only_the_first_in_line_looks_for_room_that_others_made_and_calls_the_next_when_there_was_some()
    {
        var clock = new FakeTime();
        var freed = new FreedCalls();
        var second = freed.WaitAsync("p0/m", Wait(1, since: 2), 0, clock, TestRun.Cancel);
        var first = freed.WaitAsync("p0/m", Wait(1, since: 1), 0, clock, TestRun.Cancel);
        Assert.True(freed.IsInLine("p0/m", 1));
        Assert.False(freed.IsInLine("p0/m", 0));

        clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(Called.TimeUp, await first);
        // Refused, it comes back to its place.
        first = freed.WaitAsync("p0/m", Wait(1, since: 1), 0, clock, TestRun.Cancel);
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(Called.TimeUp, await first);
        Assert.False(second.IsCompleted);
        freed.Invite("p0/m");
        Assert.Equal(Called.Invited, await second);
        Assert.False(freed.IsInLine("p0/m", 2));
    }

    [Fact]
    public async Task Whoever_has_waited_for_as_long_as_it_may_asks_a_last_time_wherever_it_stands()
    {
        var clock = new FakeTime();
        var freed = new FreedCalls();
        _ = freed.WaitAsync("p0/m", Wait(1, since: 1), 0, clock, TestRun.Cancel);
        var last = freed.WaitAsync("p0/m", Wait(1, since: 2) with { Patience = TimeSpan.FromMilliseconds(1500) }, 0, clock, TestRun.Cancel);

        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.False(last.IsCompleted);
        await Eventually.TrueAsync(
            _ =>
            {
                clock.Advance(TimeSpan.FromMilliseconds(500));
                return Task.FromResult(last.IsCompleted);
            },
            "it asks"
        );

        Assert.Equal(Called.TimeUp, await last);
    }

    [Fact]
    public async Task Whoever_was_called_and_makes_no_call_lets_the_next_one_be_called_for_the_same_reason()
    {
        var freed = new FreedCalls();
        var next = freed.WaitAsync("p0/m", Wait(1, since: 2), 0, Clock, TestRun.Cancel);

        freed.PassOn("p0/m", Called.TimeUp);
        Assert.False(next.IsCompleted);
        freed.PassOn("p0/m", Called.Invited);
        Assert.Equal(Called.Invited, await next);
        Assert.Equal(0, freed.Count("p0/m"));

        next = freed.WaitAsync("p0/m", Wait(1, since: 2), 0, Clock, TestRun.Cancel);
        freed.PassOn("p0/m", Called.Freed);
        Assert.Equal(Called.Freed, await next);
    }

    [Fact]
    public async Task A_call_whose_work_has_passed_on_leaves_the_place_that_was_given_to_it_to_the_next()
    {
        await using var ledger = Core.NewLedger(Clock);
        using var prices = Prices();
        var gate = new CallGate(ledger, prices, new TokenEstimates(), Options.Create(new AdmissionOptions()), Clock);
        var running = Assert.IsType<CallEntry.Admitted>(await EnterAsync(gate));
        var stale = await Core.SpenderAsync();
        var payer = new CallPayer(stale.TenantId, null, null, null, null);
        var caller = new ChatCaller(stale.Lease.JobId, stale.Lease.Epoch, 0, Deployment.FullName) { Payer = payer };
        var first = gate.EnterAsync(Deployment, new CallSize(1, 1), caller, TestRun.Cancel).AsTask();
        await Eventually.TrueAsync(_ => Task.FromResult(ledger.Freed.IsInLine(Deployment.FullName, 0)), "the first stands in line");
        // It joins the line before it is awaited, since somebody stands there.
        var second = EnterAsync(gate, await Core.SpenderAsync());
        await Core.ExecuteAsync("UPDATE jobs SET lease_epoch = lease_epoch + 1 WHERE id = @id", stale.Lease.JobId);

        running.Permit.Settle(new JobUsage(1, 0, 1, null), isFree: false, isDisputed: false);

        await Assert.ThrowsAsync<OperationCanceledException>(() => first);
        await Eventually.TrueAsync(_ => Task.FromResult(second.IsCompleted), "the second goes on");
        Assert.IsType<CallEntry.Admitted>(await second);
    }

    private static LineWait Wait(int level, long since = 0) => new(level, since, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1));

    private static ChatDeployment Deployment { get; } =
        new("p0", "m", Simulated: true, new ScriptedChatClient()) { Limits = new ProviderLimits { ConcurrentCalls = 1 } };

    private PriceBook Prices() =>
        new(new PriceStore(Core.Database), Core.Get<IStorageWatch>(), Options.Create(new PriceOptions()), TimeProvider.System);

    private async Task<CallEntry> EnterAsync(CallGate gate) => await EnterAsync(gate, await Core.SpenderAsync());

    private static Task<CallEntry> EnterAsync(CallGate gate, ClaimedJob job)
    {
        var caller = new ChatCaller(job.Lease.JobId, job.Lease.Epoch, 1, Deployment.FullName);
        return gate.EnterAsync(Deployment, new CallSize(1, 1), caller, TestRun.Cancel).AsTask();
    }
}
