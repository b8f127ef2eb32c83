namespace AiBackend.Core.Queue.Allocation;

/// <summary>
/// How many of the jobs that leave their model to us get the usual one: none while interactive jobs wait for longer than their goal, and
/// again all when they do not. The others get the faster one. Pure.
/// </summary>
/// <remarks>
/// Jobs that are moved hold their slots for a shorter time, so that the load which moved them can no longer be seen. Moving all of them
/// back at once would bring it back. So they come back in steps, each so small that the slots hold it even if the usual model takes ten
/// times as long as the faster one; and no further than the slots hold what has come back.
/// </remarks>
internal sealed class ModelAllowance(InteractiveLoad load)
{
    /// <summary>The usual model takes no more times as long as the faster one.</summary>
    private const double Slowest = 10;

    /// <summary>Beyond this share of the slots, with room for peaks, no more come back.</summary>
    private const double Reserve = 0.2;

    private const double LeastStep = 0.05;

    private static readonly TimeSpan CalmBefore = TimeSpan.FromSeconds(20);

    // As long as it takes until the last step is seen in the load.
    private static readonly TimeSpan BetweenRaises = TimeSpan.FromSeconds(10);

    private TimeSpan _changedAt;

    /// <summary>The share of those jobs that get the usual model now.</summary>
    public double Share { get; private set; } = 1;

    /// <summary>Follows the load, as it was observed.</summary>
    /// <returns>Whether more get the usual model than before.</returns>
    public bool Adjust()
    {
        if (load.IsTooMuch)
        {
            (Share, _changedAt) = (0, load.Now);
            return false;
        }

        if (Share >= 1 || load.Calm < CalmBefore || load.Now - _changedAt < BetweenRaises || load.Leftover <= Reserve)
        {
            return false;
        }

        var step = Math.Max(LeastStep, (load.Leftover - Reserve) / ((Slowest - 1) * Math.Max(load.JobsPerSlot, 0.001)));
        (Share, _changedAt) = (Math.Min(1, Share + step), load.Now);
        return true;
    }
}
