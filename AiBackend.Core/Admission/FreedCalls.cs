namespace AiBackend.Core.Admission;

/// <summary>Calls of this process that wait because a deployment takes only so many at once: for each that ends here, one goes on at once.</summary>
/// <remarks>What ends in other processes they find out by asking again; what they need is that none of the room stands empty until then.</remarks>
internal sealed class FreedCalls
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Line> _lines = new(StringComparer.Ordinal);
    private long _waits;

    /// <summary>How many have ended: taken before the question whether there is room.</summary>
    public long Count(string deployment)
    {
        lock (_lock)
        {
            return _lines.GetValueOrDefault(deployment)?.Freed ?? 0;
        }
    }

    /// <summary>So many calls have ended, and others may be made: the urgent first, then whoever has waited the longest.</summary>
    public void Free(string deployment, int count)
    {
        lock (_lock)
        {
            var line = LineOf(deployment);
            line.Freed += count;
            for (; count > 0 && line.Waiting.Count > 0; count--)
            {
                var (place, next) = line.Waiting.First();
                line.Waiting.Remove(place);
                next.TrySetResult();
            }
        }
    }

    /// <summary>Waits until it is this one's turn, one has ended since <paramref name="seen"/> was counted, or the time is up.</summary>
    /// <returns>Whether the time is up.</returns>
    public async Task<bool> WaitAsync(
        string deployment,
        int level,
        long seen,
        TimeSpan most,
        TimeProvider clock,
        CancellationToken cancellationToken
    )
    {
        var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        (int, long) place;
        lock (_lock)
        {
            var line = LineOf(deployment);
            if (line.Freed != seen)
            {
                return false;
            }

            place = (level, _waits++);
            line.Waiting.Add(place, turn);
        }

        try
        {
            await turn.Task.WaitAsync(most, clock, cancellationToken);
            return false;
        }
        catch (TimeoutException)
        {
            Leave(deployment, place);
            return true;
        }
        catch (OperationCanceledException)
        {
            if (!Leave(deployment, place))
            {
                // It was given the place just now, and does not take it.
                Free(deployment, 1);
            }

            throw;
        }
    }

    /// <returns>Whether it still waited.</returns>
    private bool Leave(string deployment, (int, long) place)
    {
        lock (_lock)
        {
            return LineOf(deployment).Waiting.Remove(place);
        }
    }

    private Line LineOf(string deployment) => _lines.TryGetValue(deployment, out var line) ? line : _lines[deployment] = new Line();

    private sealed class Line
    {
        public long Freed { get; set; }

        public SortedDictionary<(int Level, long Number), TaskCompletionSource> Waiting { get; } = [];
    }
}
