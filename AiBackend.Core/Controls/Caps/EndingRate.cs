namespace AiBackend.Core.Controls.Caps;

/// <summary>How many jobs end in a second, from counts of the last minute.</summary>
internal sealed class EndingRate(TimeProvider clock)
{
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    // Workers say how many they have ended every 3 s: less than a few of those is chance.
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(8);

    private readonly Queue<(long At, long Ended)> _counts = new();

    /// <summary>Takes a count.</summary>
    /// <returns>Jobs a second; null while nobody can know.</returns>
    public double? Add(long ended)
    {
        var now = clock.GetTimestamp();
        // Rows of workers that are long gone are removed, and their jobs with them: the sum begins anew.
        if (_counts.TryPeek(out var first) && ended < first.Ended)
        {
            _counts.Clear();
        }

        while (_counts.TryPeek(out var old) && clock.GetElapsedTime(old.At, now) > Window)
        {
            _counts.Dequeue();
        }

        _counts.Enqueue((now, ended));
        var oldest = _counts.Peek();
        var span = clock.GetElapsedTime(oldest.At, now);
        return span >= Least && ended > oldest.Ended ? (ended - oldest.Ended) / span.TotalSeconds : null;
    }
}
