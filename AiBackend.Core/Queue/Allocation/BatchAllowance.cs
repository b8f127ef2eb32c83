namespace AiBackend.Core.Queue.Allocation;

/// <summary>How many slots batch work may hold: fewer while interactive jobs wait for longer than their goal, and again all when they do not. Pure.</summary>
/// <remarks>
/// It goes down in one step to what interactive work leaves over, and up in small ones, after a while without waits, to what interactive
/// work leaves over by then. So it comes to rest where the load is, instead of trying again and again how much is too much.
/// </remarks>
internal sealed class BatchAllowance(InteractiveLoad load)
{
    private const double Step = 0.1;

    // A smaller difference is noise.
    private const double WorthAStep = 0.15;

    // Less than that is as good as no interactive work.
    private const double NearlyAll = 0.9;

    private static readonly TimeSpan BetweenCuts = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan BetweenRaises = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CalmBefore = TimeSpan.FromSeconds(20);

    private TimeSpan _changedAt;

    /// <summary>The share of the slots that batch may hold now.</summary>
    public double Share { get; private set; } = 1;

    private double Leftover => Math.Max(SlotShares.LeastOfBatch, load.Leftover);

    /// <summary>Follows the load, as it was observed.</summary>
    public void Adjust()
    {
        if (load.IsTooMuch)
        {
            Cut();
        }
        else if (Share < 1 && load.Calm >= CalmBefore && load.Now - _changedAt >= BetweenRaises)
        {
            Raise();
        }
    }

    /// <summary>Gives back what interactive work has come to need, before anybody waits for it.</summary>
    public void Trim() => Share = Share >= 1 ? 1 : Math.Min(Share, Leftover);

    private void Cut()
    {
        // Fewer than are left over, if that was not enough.
        var share =
            Leftover < Share ? Leftover
            : load.Now - _changedAt >= BetweenCuts ? Math.Max(SlotShares.LeastOfBatch, Share - Step)
            : Share;
        if (share < Share)
        {
            (Share, _changedAt) = (share, load.Now);
        }
    }

    private void Raise()
    {
        var roof = Leftover >= NearlyAll ? 1 : Leftover;
        if (roof >= Share + WorthAStep || roof >= 1)
        {
            (Share, _changedAt) = (Math.Min(roof, Share + Step), load.Now);
        }
    }
}
