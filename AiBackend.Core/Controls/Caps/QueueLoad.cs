namespace AiBackend.Core.Controls.Caps;

/// <summary>Why a new job is refused: what waits is as much as may wait.</summary>
/// <param name="Limit">Which limit: <c>max_queued</c>, <c>max_queued_per_tenant</c>, <c>max_wait</c> or <c>max_wait_per_tenant</c>.</param>
/// <param name="OfTenant">Whether it is the tenant's own doing.</param>
/// <param name="Now">How much it is, in jobs or seconds.</param>
/// <param name="Most">How much it may be.</param>
/// <param name="RetryAfter">When there may be room again.</param>
public sealed record CapReached(string Limit, bool OfTenant, long Now, long Most, TimeSpan RetryAfter);

/// <summary>What waits, as the decision about one more job sees it.</summary>
/// <param name="All">Waiting jobs of all tenants.</param>
/// <param name="OfTenant">Those of the job's tenant.</param>
/// <param name="Behind">Jobs of all tenants that could start now and have no slot.</param>
/// <param name="BehindOfTenant">At most so many of them are the tenant's.</param>
/// <param name="Tenants">Tenants of which jobs wait.</param>
/// <param name="TenantCap">The tenant's own limit; null when it has none of its own.</param>
/// <param name="PerSecond">Jobs that end in a second; null when that is not known.</param>
internal readonly record struct QueueLoad(
    long All,
    long OfTenant,
    long Behind,
    long BehindOfTenant,
    int Tenants,
    long? TenantCap,
    double? PerSecond
)
{
    private static readonly TimeSpan Unknown = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    /// <summary>Expected wait of a new job of anybody. With free slots there is none: jobs end slowly then because few come.</summary>
    public TimeSpan? Wait =>
        PerSecond is { } rate ? TimeSpan.FromSeconds(Math.Min(Behind / rate, TimeSpan.MaxValue.TotalSeconds / 2)) : null;

    /// <summary>Expected wait of the tenant's next job, when those that wait share alike: never longer than everybody's.</summary>
    private TimeSpan? WaitOfTenant =>
        PerSecond is { } rate
            ? TimeSpan.FromSeconds(Math.Min(Wait!.Value.TotalSeconds, BehindOfTenant * (double)Math.Max(1, Tenants) / rate))
            : null;

    /// <summary>The first limit that one more job would pass: the tenant's own first, because it can do something about it.</summary>
    public CapReached? Check(BackpressureOptions limits)
    {
        var tenantCap = TenantCap ?? limits.MaxQueuedPerTenant;
        if (tenantCap > 0 && OfTenant >= tenantCap)
        {
            return new("max_queued_per_tenant", true, OfTenant, tenantCap, After(OfTenant - tenantCap + 1, Math.Max(1, Tenants)));
        }

        if (limits.MaxQueued > 0 && All >= limits.MaxQueued)
        {
            return new("max_queued", false, All, limits.MaxQueued, After(All - limits.MaxQueued + 1, 1));
        }

        return TooLong("max_wait_per_tenant", true, WaitOfTenant, limits.MaxWaitPerTenant)
            ?? TooLong("max_wait", false, Wait, limits.MaxWait);
    }

    private static CapReached? TooLong(string limit, bool ofTenant, TimeSpan? wait, TimeSpan most) =>
        most > TimeSpan.Zero && wait > most
            ? new(limit, ofTenant, (long)wait.Value.TotalSeconds, (long)most.TotalSeconds, Bounded(wait.Value - most))
            : null;

    /// <summary>How long until so many have ended, of which only every n-th is ours.</summary>
    private TimeSpan After(long jobs, int shares) =>
        PerSecond is { } rate ? Bounded(TimeSpan.FromSeconds(Math.Min(jobs * (double)shares / rate, Longest.TotalSeconds))) : Unknown;

    private static TimeSpan Bounded(TimeSpan wait) =>
        wait < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1)
        : wait > Longest ? Longest
        : wait;
}
