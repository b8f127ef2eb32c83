namespace AiBackend.Core.Queue.Order;

/// <summary>What interactive jobs want.</summary>
/// <param name="Wait">Of the one that has waited the longest; zero when none waits.</param>
/// <param name="Jobs">How many run or wait.</param>
public readonly record struct InteractiveDemand(TimeSpan Wait, int Jobs);

/// <summary>How many slots batch work may hold: fewer while interactive jobs wait for longer than their goal, and again all when they do not. Pure.</summary>
/// <remarks>
/// It goes down in one step to what interactive work leaves over, and up in small ones, after a while without waits, to what interactive
/// work leaves over by then. So it comes to rest where the load is, instead of trying again and again how much is too much.
/// </remarks>
public sealed class BatchAllowance(TimeSpan goal)
{
    /// <summary>Batch keeps this share of the slots, whatever happens.</summary>
    public const double Least = 0.1;

    // Random arrivals want more than their average now and then.
    private const double Headroom = 1.4;
    private const double Step = 0.1;

    // A smaller difference is noise.
    private const double WorthAStep = 0.15;

    // Less than that is as good as no interactive work.
    private const double NearlyAll = 0.9;

    // More work is believed at once, less of it only when it lasts: a lull between two arrivals is none.
    private static readonly TimeSpan MemoryOfLess = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan MemoryOfMore = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan BetweenCuts = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan BetweenRaises = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CalmBefore = TimeSpan.FromSeconds(20);

    private TimeSpan? _observedAt;
    private TimeSpan? _calmSince;
    private TimeSpan _changedAt;
    private double _jobs;

    /// <summary>The share of the slots that batch may hold now.</summary>
    public double Share { get; private set; } = 1;

    /// <summary>Takes note of what interactive jobs want; once a second or so.</summary>
    /// <param name="now">Time on any clock that does not go back.</param>
    /// <param name="demand">Of now.</param>
    /// <param name="slots">Of all workers.</param>
    public void Observe(TimeSpan now, InteractiveDemand demand, int slots)
    {
        var memory = demand.Jobs > _jobs ? MemoryOfLess : MemoryOfMore;
        _jobs += (demand.Jobs - _jobs) * (_observedAt is { } before ? 1 - Math.Exp(-(now - before) / memory) : 1);
        _observedAt = now;
        _calmSince = demand.Wait < goal / 2 ? _calmSince ?? now : null;
        if (slots == 0)
        {
            return;
        }

        if (demand.Wait > goal)
        {
            Cut(now, Leftover(_jobs, slots));
        }
        else if (Share < 1 && _calmSince is { } since && now - since >= CalmBefore && now - _changedAt >= BetweenRaises)
        {
            Raise(now, Leftover(_jobs, slots));
        }
    }

    /// <summary>Slots that batch may hold.</summary>
    public int MostOf(int slots) => Share >= 1 ? int.MaxValue : Math.Max(SlotShares.LeastBatch(slots), (int)(Share * slots));

    private static double Leftover(double jobs, int slots) => Math.Max(Least, 1 - (((jobs * Headroom) + 1) / slots));

    private void Cut(TimeSpan now, double target)
    {
        // Fewer than are left over, if that was not enough.
        var share =
            target < Share ? target
            : now - _changedAt >= BetweenCuts ? Math.Max(Least, Share - Step)
            : Share;
        if (share < Share)
        {
            (Share, _changedAt) = (share, now);
        }
    }

    private void Raise(TimeSpan now, double roof)
    {
        roof = roof >= NearlyAll ? 1 : roof;
        if (roof >= Share + WorthAStep || roof >= 1)
        {
            (Share, _changedAt) = (Math.Min(roof, Share + Step), now);
        }
    }
}
