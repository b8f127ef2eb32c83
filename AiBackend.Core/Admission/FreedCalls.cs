using Place = (int Level, long Since, long Number);

namespace AiBackend.Core.Admission;

/// <summary>
/// Calls of this process that stand in line because a deployment takes only so many at once: for each that ends here, one goes on at once.
/// </summary>
/// <remarks>
/// What ends in other processes the first in line finds out by asking again. Did all of them ask, most questions would be in vain,
/// and each is a lock that the calls that end have to wait for.
/// </remarks>
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

    /// <summary>Whether somebody stands in line who goes before this level's next.</summary>
    public bool IsInLine(string deployment, int level)
    {
        lock (_lock)
        {
            return _lines.TryGetValue(deployment, out var line) && line.Waiting.Count > 0 && line.Waiting.First().Key.Level <= level;
        }
    }

    /// <summary>So many calls have ended, and others may be made: the urgent first, then whoever has waited the longest.</summary>
    public void Free(string deployment, int count)
    {
        lock (_lock)
        {
            var line = LineOf(deployment);
            line.Freed += count;
            for (; count > 0 && Call(line, Called.Freed); count--) { }
        }
    }

    /// <summary>There was room that nobody here had made: there may be more of it.</summary>
    public void Invite(string deployment)
    {
        lock (_lock)
        {
            Call(LineOf(deployment), Called.Invited);
        }
    }

    /// <summary>Whoever was called makes no call: the next is called in its stead.</summary>
    public void PassOn(string deployment, Called why)
    {
        if (why == Called.Freed)
        {
            Free(deployment, 1);
        }
        else if (why == Called.Invited)
        {
            Invite(deployment);
        }
    }

    /// <summary>
    /// Waits until it is this one's turn, one has ended since <paramref name="seen"/> was counted, it is the first in line and the time
    /// of a look has come, or its patience is at an end.
    /// </summary>
    public async Task<Called> WaitAsync(
        string deployment,
        LineWait wait,
        long seen,
        TimeProvider clock,
        CancellationToken cancellationToken
    )
    {
        var turn = new TaskCompletionSource<Called>(TaskCreationOptions.RunContinuationsAsynchronously);
        Place place;
        lock (_lock)
        {
            var line = LineOf(deployment);
            if (line.Freed != seen)
            {
                return Called.Freed;
            }

            place = (wait.Level, wait.Since, _waits++);
            line.Waiting.Add(place, turn);
        }

        var began = clock.GetTimestamp();
        while (true)
        {
            var left = wait.Patience - clock.GetElapsedTime(began);
            try
            {
                return await turn.Task.WaitAsync(left < wait.Look ? Max(left, TimeSpan.Zero) : wait.Look, clock, cancellationToken);
            }
            catch (TimeoutException)
            {
                if (LeaveToLook(deployment, place, left <= wait.Look ? TimeSpan.Zero : wait.Look, clock))
                {
                    return Called.TimeUp;
                }
            }
            catch (OperationCanceledException)
            {
                if (!Leave(deployment, place))
                {
                    PassOn(deployment, await turn.Task);
                }

                throw;
            }
        }
    }

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;

    /// <returns>Whether somebody was in line.</returns>
    private static bool Call(Line line, Called why)
    {
        if (line.Waiting.Count == 0)
        {
            return false;
        }

        var (place, next) = line.Waiting.First();
        line.Waiting.Remove(place);
        next.TrySetResult(why);
        return true;
    }

    /// <param name="deployment">Which line.</param>
    /// <param name="place">Whose place.</param>
    /// <param name="look">Only the first goes, and not when another one was away to look since; zero is whoever may wait no longer.</param>
    /// <param name="clock">Tells how long ago that was.</param>
    /// <returns>False when it stays in line, or was called just now.</returns>
    private bool LeaveToLook(string deployment, Place place, TimeSpan look, TimeProvider clock)
    {
        lock (_lock)
        {
            var line = LineOf(deployment);
            var mayLook =
                look == TimeSpan.Zero
                || (
                    line.Waiting.Count > 0
                    && line.Waiting.First().Key == place
                    && (line.LookedAt is not { } last || clock.GetElapsedTime(last) >= look)
                );
            if (!mayLook || !line.Waiting.Remove(place))
            {
                return false;
            }

            // Whoever has waited long enough asks from behind, and the first still looks when its time has come.
            line.LookedAt = look == TimeSpan.Zero ? line.LookedAt : clock.GetTimestamp();
            return true;
        }
    }

    /// <returns>Whether it still waited.</returns>
    private bool Leave(string deployment, Place place)
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

        /// <summary>When somebody left it to look whether there is room.</summary>
        public long? LookedAt { get; set; }

        public SortedDictionary<Place, TaskCompletionSource<Called>> Waiting { get; } = [];
    }
}

/// <summary>Why a call that stood in line asks now.</summary>
internal enum Called
{
    /// <summary>One has ended here.</summary>
    Freed,

    /// <summary>Another found room that nobody here had made.</summary>
    Invited,

    /// <summary>It is the first and looks whether there is room, or has waited for as long as it may.</summary>
    TimeUp,
}

/// <summary>How a call stands in line.</summary>
/// <param name="Level">The urgent, whose level is lower, go first.</param>
/// <param name="Since">When it first asked, by the clock's timestamp: whoever asked in vain comes back to its place.</param>
/// <param name="Look">The first in line asks whenever so much time has passed.</param>
/// <param name="Patience">It asks a last time after so long.</param>
internal readonly record struct LineWait(int Level, long Since, TimeSpan Look, TimeSpan Patience);
