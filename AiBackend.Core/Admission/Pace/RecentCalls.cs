namespace AiBackend.Core.Admission.Pace;

/// <summary>How often this process has asked a deployment lately.</summary>
internal sealed class RecentCalls(TimeProvider clock)
{
    private const int Seconds = 10;
    private static readonly TimeSpan Forgotten = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly (long Second, int Calls)[] _slots = new (long, int)[Seconds];
    private readonly long _startedAt = clock.GetTimestamp();
    private long _latestAt = clock.GetTimestamp();
    private long? _toldAt;

    /// <summary>Calls a second, since the first of the latest seconds in which there were any.</summary>
    public double PerSecond
    {
        get
        {
            lock (_gate)
            {
                var now = Now;
                var counted = _slots.Where(slot => slot.Calls > 0 && slot.Second > now - Seconds).ToList();
                var since = counted.Count == 0 ? 0 : counted.Min(slot => slot.Second) - 1;
                // This second is not over: as a whole one it would make the others slower than they were.
                return counted.Sum(slot => slot.Calls) / Math.Max(1, clock.GetElapsedTime(_startedAt).TotalSeconds - since);
            }
        }
    }

    public bool IsOver => clock.GetElapsedTime(Interlocked.Read(ref _latestAt)) > Forgotten;

    private long Now => 1 + (long)clock.GetElapsedTime(_startedAt).TotalSeconds;

    public void Add()
    {
        lock (_gate)
        {
            var now = Now;
            ref var slot = ref _slots[now % Seconds];
            slot = (now, slot.Second == now ? slot.Calls + 1 : 1);
            Interlocked.Exchange(ref _latestAt, clock.GetTimestamp());
        }
    }

    /// <summary>Whether the last time was so long ago.</summary>
    public bool MayTell(TimeSpan stride)
    {
        lock (_gate)
        {
            if (_toldAt is { } at && clock.GetElapsedTime(at) < stride)
            {
                return false;
            }

            _toldAt = clock.GetTimestamp();
            return true;
        }
    }
}
