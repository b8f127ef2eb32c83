namespace AiBackend.Core.Queue.Outlook;

/// <summary>What the dispatcher sees pass by: how many slots there are, and how many jobs end.</summary>
public sealed class LineFlow
{
    // Longer than the jitter of rounds and of single jobs, shorter than a caller's memory.
    private static readonly TimeSpan Memory = TimeSpan.FromSeconds(10);

    /// <summary>Of all living workers.</summary>
    public int Slots { get; private set; }

    /// <summary>Jobs that end, on the average.</summary>
    public double PerSecond { get; private set; }

    /// <summary>Whether jobs wait for slots.</summary>
    public bool HasLine { get; private set; }

    internal void Note(int slots, bool hasLine) => (Slots, HasLine) = (slots, hasLine);

    internal void Ended(int count, double seconds)
    {
        var share = 1 - Math.Exp(-seconds / Memory.TotalSeconds);
        PerSecond += ((count / seconds) - PerSecond) * share;
    }
}
