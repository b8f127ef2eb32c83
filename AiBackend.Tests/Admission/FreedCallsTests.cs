using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Admission;
using AiBackend.Core.Database;
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
        await using var ledger = Core.NewLedger();
        using var prices = new PriceBook(
            new PriceStore(Core.Database),
            Core.Get<IStorageWatch>(),
            Options.Create(new PriceOptions()),
            TimeProvider.System
        );
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
        var other = freed.WaitAsync("p0/other", 0, 0, TimeSpan.FromMinutes(1), Clock, TestRun.Cancel);

        freed.Free("p0/m", 1);

        await Eventually.TrueAsync(_ => Task.FromResult(urgent.IsCompleted), "the urgent one goes on");
        Assert.False(batch.IsCompleted);
        Assert.False(other.IsCompleted);
        await WaitAsync(level: 2);
        freed.Free("p0/m", 2);
        await batch;
        freed.Free("p0/other", 1);
        await other;

        Task WaitAsync(int level) => freed.WaitAsync("p0/m", level, seen, TimeSpan.FromMinutes(1), Clock, TestRun.Cancel);
    }

    private static ChatDeployment Deployment { get; } =
        new("p0", "m", Simulated: true, new ScriptedChatClient()) { Limits = new ProviderLimits { ConcurrentCalls = 1 } };

    private async Task<CallEntry> EnterAsync(CallGate gate)
    {
        var job = await Core.SpenderAsync();
        var caller = new ChatCaller(job.Lease.JobId, job.Lease.Epoch, 1, HasTurn: true);
        return await gate.EnterAsync(Deployment, new CallSize(1, 1), caller, TestRun.Cancel);
    }
}
