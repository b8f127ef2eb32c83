using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Admission;

// Calls at once.
public sealed partial class CallWindowTests
{
    [Fact]
    public async Task A_call_counts_as_open_until_it_is_settled_or_its_job_s_lease_is_over()
    {
        await using var windows = NewWindows();
        var limits = new ProviderLimits { ConcurrentCalls = 1 };
        using var running = await Core.ClaimAsync(await Core.SubmitAsync());
        var reservation = Ask(limits) with { Caller = CallerOf(running.Job) };
        var slot = (await windows.ReserveAsync(reservation, TestRun.Cancel)).Slot!.Value;
        // A repeat after a lost reply is the same call.
        Assert.NotNull((await windows.ReserveAsync(reservation, TestRun.Cancel)).Slot);
        Assert.Equal("concurrent_calls", (await windows.ReserveAsync(Ask(limits), TestRun.Cancel)).BlockedBy);

        await Core.ExpireLeaseAsync(running.Job.Lease.JobId);
        using var other = await Core.ClaimAsync(await Core.SubmitAsync());
        Assert.NotNull((await windows.ReserveAsync(Ask(limits) with { Caller = CallerOf(other.Job) }, TestRun.Cancel)).Slot);

        windows.Settle(Used(Ask(limits) with { Caller = CallerOf(other.Job) }, slot, 0));
        await Eventually.TrueAsync(
            async _ => (await windows.ReserveAsync(Ask(limits, hasTurn: true), TestRun.Cancel)).Slot is not null,
            "its place is free"
        );
    }

    [Fact]
    public async Task P_14_a_job_s_next_call_keeps_its_place_when_the_one_before_is_settled_after_it()
    {
        await using var windows = NewWindows();
        var limits = new ProviderLimits { ConcurrentCalls = 2 };
        using var running = await Core.ClaimAsync(await Core.SubmitAsync());
        var first = Ask(limits) with { Caller = CallerOf(running.Job) };
        var second = first with { Caller = first.Caller with { Call = 1 } };
        var slot = (await windows.ReserveAsync(first, TestRun.Cancel)).Slot!.Value;
        Assert.NotNull((await windows.ReserveAsync(second, TestRun.Cancel)).Slot);
        Assert.Equal("concurrent_calls", (await windows.ReserveAsync(Ask(limits), TestRun.Cancel)).BlockedBy);

        windows.Settle(Used(first, slot, 0));

        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<int>("SELECT count_open_calls('p0/sim')") == 1,
            "the first has given its place back, and the second has kept its own"
        );
    }

    [Fact]
    public async Task Who_only_looks_counts_the_same_open_calls_as_who_makes_one()
    {
        await using var windows = NewWindows();
        var limits = new ProviderLimits { ConcurrentCalls = 5 };
        using var running = await Core.ClaimAsync(await Core.SubmitAsync());
        var payer = new CallPayer(ApiKeyStore.DefaultTenant, null, null, null, null);
        ChatCaller[] open =
        [
            CallerOf(running.Job),
            // A call of no job, as for embeddings.
            new ChatCaller(Guid.CreateVersion7(), Epoch: 0, 1) { Payer = payer },
        ];
        foreach (var caller in open)
        {
            Assert.NotNull((await windows.ReserveAsync(Ask(limits) with { Caller = caller }, TestRun.Cancel)).Slot);
        }

        // Of a job that is nobody's any more.
        Assert.NotNull((await windows.ReserveAsync(Ask(limits), TestRun.Cancel)).Slot);

        Assert.Equal(3, await Core.ScalarAsync<int>("SELECT count(*) FROM open_calls"));
        Assert.Equal(2, await Core.ScalarAsync<int>("SELECT live_open_calls('p0/sim')"));
        Assert.Equal(2, await Core.ScalarAsync<int>("SELECT count_open_calls('p0/sim')"));
    }
}
