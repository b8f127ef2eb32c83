namespace AiBackend.Core.Queue.Allocation;

/// <summary>What interactive jobs want.</summary>
/// <param name="Wait">Of the one that has waited the longest; zero when none waits.</param>
/// <param name="Jobs">How many run or wait.</param>
public readonly record struct InteractiveDemand(TimeSpan Wait, int Jobs);

/// <summary>How many of the slots interactive work takes, and whether that is too few: what every allocation goes by. Pure.</summary>
internal sealed class InteractiveLoad(TimeSpan goal)
{
    // Random arrivals want more than their average now and then.
    private const double Headroom = 1.4;

    // More work is believed at once, less of it only when it lasts: a lull between two arrivals is none.
    private static readonly TimeSpan MemoryOfLess = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan MemoryOfMore = TimeSpan.FromSeconds(60);

    private TimeSpan? _observedAt;
    private TimeSpan? _calmSince;
    private double _jobs;
    private int _slots;

    /// <summary>When it was observed last.</summary>
    public TimeSpan Now => _observedAt ?? TimeSpan.Zero;

    /// <summary>Somebody waits for longer than is the goal.</summary>
    public bool IsTooMuch { get; private set; }

    /// <summary>For how long nobody has waited for longer than half of the goal.</summary>
    public TimeSpan Calm => _calmSince is { } since ? Now - since : TimeSpan.Zero;

    /// <summary>Interactive jobs for each slot, on the average.</summary>
    public double JobsPerSlot => _jobs / _slots;

    /// <summary>Share of the slots that interactive work leaves over, with room for its peaks; below zero when there are too few.</summary>
    public double Leftover => 1 - (((_jobs * Headroom) + 1) / _slots);

    /// <returns>False while there is no slot to share.</returns>
    public bool Observe(TimeSpan now, InteractiveDemand demand, int slots)
    {
        var memory = demand.Jobs > _jobs ? MemoryOfLess : MemoryOfMore;
        // A line says that there are too few slots, and not how many more there should be: a job does not wait for as long as it runs.
        var jobs = Math.Min(demand.Jobs, Math.Max(slots, 1));
        _jobs += (jobs - _jobs) * (_observedAt is { } before ? 1 - Math.Exp(-(now - before) / memory) : 1);
        (_observedAt, _slots) = (now, slots);
        _calmSince = demand.Wait < goal / 2 ? _calmSince ?? now : null;
        IsTooMuch = demand.Wait > goal;
        return slots > 0;
    }
}
