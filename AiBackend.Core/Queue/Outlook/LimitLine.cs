using AiBackend.Core.Jobs;

namespace AiBackend.Core.Queue.Outlook;

/// <summary>Jobs of one tenant and level that wait for a limit.</summary>
public readonly record struct LimitedJobs(JobPriority Level, Guid TenantId, double Weight, int Count);

/// <summary>Those who wait for a provider's limit, and how fast it lets them go on: when who comes now may start. Pure.</summary>
/// <param name="Reason">What they say they wait for.</param>
/// <param name="Models">What they ask for.</param>
/// <param name="Waiting">Who they are.</param>
/// <param name="SlotSeconds">How long a slot of the window is.</param>
/// <param name="Leaving">Calls that leave the window at the end of each slot from now on; empty when the limit is no window.</param>
/// <param name="PerSecond">Calls that were let go on.</param>
/// <param name="BlockedSeconds">None before that.</param>
public sealed record LimitLine(
    string Reason,
    IReadOnlySet<string> Models,
    IReadOnlyList<LimitedJobs> Waiting,
    double SlotSeconds,
    IReadOnlyList<long> Leaving,
    double PerSecond,
    double BlockedSeconds
)
{
    /// <summary>How many jobs of a tenant and level wait.</summary>
    public int CountOf(Guid tenantId, JobPriority level) =>
        Waiting.Where(line => line.TenantId == tenantId && line.Level == level).Sum(line => line.Count);

    /// <summary>About how many jobs go first: the more urgent, the tenant's own, and of each other tenant as many as its weight gives it meanwhile.</summary>
    public long Ahead(Guid tenantId, JobPriority level, long own)
    {
        var weight = Waiting.Where(line => line.TenantId == tenantId).Select(line => line.Weight).DefaultIfEmpty(1).First();
        var others = Waiting.Where(line => line.TenantId != tenantId || line.Level != level);
        return own + others.Where(line => line.Level <= level).Sum(Before);

        long Before(LimitedJobs line) => line.Level < level ? line.Count : (long)Math.Min(line.Count, own * line.Weight / weight);
    }

    /// <summary>Seconds until start with so many ahead: the middle, and what nine in ten do not exceed; null when nothing is known.</summary>
    public (double P50, double P90)? After(long ahead)
    {
        // What a window lets go on comes when calls leave it; calls at once, and a pace, come one by one.
        var inWindow = Leaving.Sum();
        if (inWindow > 0 && !Reason.EndsWith(":concurrent_calls", StringComparison.Ordinal))
        {
            var most = ahead + 1 + (Forecast.NineInTen * Math.Sqrt(ahead + 1));
            return (SecondsFor(ahead + 1, inWindow), SecondsFor((long)Math.Ceiling(most), inWindow) + SlotSeconds);
        }

        if (PerSecond <= 0)
        {
            return null;
        }

        var (p50, p90) = Forecast.Of(ahead, PerSecond);
        return (BlockedSeconds + p50, BlockedSeconds + p90);
    }

    // As the last window was, so are the next ones.
    private double SecondsFor(long calls, long inWindow)
    {
        var (windows, left) = Math.DivRem(calls - 1, inWindow);
        left++;
        var slots = 0;
        while (left > 0)
        {
            left -= Leaving[slots++];
        }

        return ((windows * Leaving.Count) + slots) * SlotSeconds;
    }
}
