namespace AiBackend.Simulator.Streaming;

/// <summary>One thread that wakes every stream when its next token is due.</summary>
/// <remarks>
/// A timer and a pool hop per token would cost more than the token: at 500 streams of 100 tokens/s this thread wakes a
/// thousand times a second instead of fifty thousand. It sleeps when no stream runs.
/// </remarks>
internal sealed class Pacer : IDisposable
{
    private readonly TimeProvider _clock;
    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _changed = new();
    private readonly PriorityQueue<PacedStream, long> _due = new();
    private readonly List<PacedStream> _ready = [];
    private readonly Thread _thread;
    private long _sleepingUntil = long.MaxValue;
    private volatile bool _stopped;

    public Pacer(TimeProvider clock)
    {
        _clock = clock;
        _thread = new Thread(Run) { IsBackground = true, Name = "pacer" };
        _thread.Start();
    }

    public TimeProvider Clock => _clock;

    /// <summary>Calls <see cref="PacedStream.Advance"/> at <paramref name="timestamp"/>, or at once when it has passed.</summary>
    public void Wake(PacedStream stream, long timestamp)
    {
        lock (_gate)
        {
            _due.Enqueue(stream, timestamp);
            if (timestamp < _sleepingUntil)
            {
                _changed.Set();
            }
        }
    }

    public void Dispose()
    {
        _stopped = true;
        _changed.Set();
        _thread.Join();
        _changed.Dispose();
    }

    private void Run()
    {
        while (!_stopped)
        {
            var now = _clock.GetTimestamp();
            var pause = TakeReady(now);
            foreach (var stream in _ready)
            {
                stream.Advance(now);
            }

            if (_ready.Count == 0)
            {
                _changed.Wait(pause);
            }

            _ready.Clear();
        }
    }

    /// <summary>Moves what is due to the ready list.</summary>
    /// <returns>How long to sleep when nothing is ready.</returns>
    private TimeSpan TakeReady(long now)
    {
        lock (_gate)
        {
            _changed.Reset();
            while (_due.TryPeek(out var stream, out var timestamp) && timestamp <= now)
            {
                _due.Dequeue();
                _ready.Add(stream);
            }

            if (!_due.TryPeek(out _, out var next))
            {
                _sleepingUntil = long.MaxValue;
                return Timeout.InfiniteTimeSpan;
            }

            // At least a millisecond: what falls due meanwhile is written in one go.
            var pause = _clock.GetElapsedTime(now, next);
            var least = TimeSpan.FromMilliseconds(1);
            _sleepingUntil = next;
            return pause < least ? least : pause;
        }
    }
}
