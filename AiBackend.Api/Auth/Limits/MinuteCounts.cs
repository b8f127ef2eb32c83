using System.Collections.Concurrent;

namespace AiBackend.Api.Auth.Limits;

/// <summary>Counts what comes within a minute, for each of many, in this process' memory.</summary>
internal sealed class MinuteCounts<TWho>(TimeProvider clock)
    where TWho : notnull
{
    private const int MaxKnown = 100_000;

    private readonly ConcurrentDictionary<TWho, MinuteCount> _counts = new();

    /// <inheritdoc cref="MinuteCount.Add"/>
    public (int Value, TimeSpan Wait) Add(TWho who)
    {
        if (!_counts.TryGetValue(who, out var count))
        {
            if (_counts.Count >= MaxKnown)
            {
                // Nothing is known of the others for a minute, which lets in more than asked for and keeps memory bounded.
                _counts.Clear();
            }

            count = _counts.GetOrAdd(who, static _ => new MinuteCount());
        }

        return count.Add(clock);
    }
}
