using AiBackend.Core.Controls.Caps;

namespace AiBackend.Tests.Controls;

/// <summary>Which limit one more job would pass, and when there may be room.</summary>
public sealed class QueueLoadTests
{
    private static readonly BackpressureOptions Limits = new()
    {
        MaxQueued = 1000,
        MaxQueuedPerTenant = 100,
        MaxWait = TimeSpan.FromSeconds(60),
        MaxWaitPerTenant = TimeSpan.FromSeconds(30),
    };

    [Theory]
    // all, of the tenant, tenants, own cap, a second → limit, now, retry after
    [InlineData(999, 99, 1, null, null, null, 0, 0)]
    [InlineData(999, 100, 1, null, null, "max_queued_per_tenant", 100, 10)]
    [InlineData(999, 100, 1, 200L, null, null, 0, 0)]
    [InlineData(999, 200, 1, 200L, null, "max_queued_per_tenant", 200, 10)]
    [InlineData(1000, 0, 9, null, null, "max_queued", 1000, 10)]
    [InlineData(1049, 0, 9, null, 25d, "max_queued", 1049, 2)]
    [InlineData(999, 139, 2, null, 40d, "max_queued_per_tenant", 139, 2)]
    [InlineData(610, 0, 5, null, 10d, "max_wait", 61, 1)]
    [InlineData(400, 80, 4, null, 10d, "max_wait_per_tenant", 32, 2)]
    // A tenant alone waits as long as everybody, and no longer.
    [InlineData(290, 90, 9, null, 10d, null, 0, 0)]
    public void The_limit_is_named_with_its_value_and_the_time_by_how_fast_jobs_end(
        long all,
        long ofTenant,
        int tenants,
        long? ownCap,
        double? perSecond,
        string? limit,
        long now,
        double retryAfter
    )
    {
        var reached = new QueueLoad(all, ofTenant, all, ofTenant, tenants, ownCap, perSecond).Check(Limits);

        Assert.Equal((limit, now), (reached?.Limit, reached?.Now ?? 0));
        Assert.Equal(retryAfter, reached?.RetryAfter.TotalSeconds ?? 0, 0.01);
    }

    [Fact]
    public void Nobody_is_told_to_wait_for_longer_than_a_minute_or_refused_for_a_wait_that_nobody_knows()
    {
        Assert.Equal(TimeSpan.FromMinutes(1), new QueueLoad(999_999, 0, 999_999, 0, 1, null, 0.001).Check(Limits)!.RetryAfter);
        Assert.Null(new QueueLoad(999, 99, 999, 99, 1, null, null).Check(Limits));
        Assert.Null(
            new QueueLoad(999_999, 999_999, 999_999, 999_999, 1, null, 0.001).Check(new() { MaxQueued = 0, MaxQueuedPerTenant = 0 })
        );
    }

    [Fact]
    public void With_free_slots_nobody_is_refused_for_a_wait_however_slowly_jobs_end()
    {
        Assert.Null(new QueueLoad(All: 100, OfTenant: 50, Behind: 0, BehindOfTenant: 50, 1, null, PerSecond: 0.03).Check(Limits));
        Assert.NotNull(new QueueLoad(All: 100, OfTenant: 50, Behind: 90, BehindOfTenant: 50, 1, null, PerSecond: 0.03).Check(Limits));
    }
}
