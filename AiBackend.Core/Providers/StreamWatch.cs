using AiBackend.Core.Providers.Configuration;
using AiBackend.Core.Providers.Failures;

namespace AiBackend.Core.Providers;

/// <summary>Watches one stream and cancels it when a limit passes.</summary>
/// <remarks>A token costs two notes of the time. The timer is not touched by it: when it fires it looks at the notes and sleeps again.</remarks>
internal sealed class StreamWatch : IDisposable
{
    private const int None = -1;

    /// <summary>Stands for "the caller is busy"; no wait can have begun at this time.</summary>
    private const long NotWaiting = long.MinValue;

    private readonly ProviderTimeouts _limits;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _cancel;
    private readonly ITimer _timer;
    private readonly long _startedAt;
    private long _waitingSince = NotWaiting;
    private int _expired = None;
    private bool _isAnswering;

    public StreamWatch(ProviderTimeouts limits, TimeProvider clock, CancellationToken cancellationToken)
    {
        _limits = limits;
        _clock = clock;
        _cancel = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _startedAt = clock.GetTimestamp();
        _timer = clock.CreateTimer(static watch => ((StreamWatch)watch!).Look(), this, Shortest(limits), Timeout.InfiniteTimeSpan);
    }

    public CancellationToken Token => _cancel.Token;

    /// <summary>The limit that passed; null while none has.</summary>
    public ProviderTimeoutKind? Expired => Volatile.Read(ref _expired) is var kind and not None ? (ProviderTimeoutKind)kind : null;

    public TimeSpan LimitOf(ProviderTimeoutKind kind) =>
        kind switch
        {
            ProviderTimeoutKind.Connect => _limits.Connect,
            ProviderTimeoutKind.FirstToken => _limits.FirstToken,
            ProviderTimeoutKind.Idle => _limits.Idle,
            _ => _limits.Total,
        };

    public void BeginWait() => Volatile.Write(ref _waitingSince, _isAnswering ? _clock.GetTimestamp() : _startedAt);

    public void EndWait()
    {
        _isAnswering = true;
        Volatile.Write(ref _waitingSince, NotWaiting);
    }

    public void Dispose()
    {
        _timer.Dispose();
        _cancel.Dispose();
    }

    private void Look()
    {
        var now = _clock.GetTimestamp();
        var left = _limits.Total - _clock.GetElapsedTime(_startedAt, now);
        if (left <= TimeSpan.Zero)
        {
            Expire(ProviderTimeoutKind.Total);
            return;
        }

        var since = Volatile.Read(ref _waitingSince);
        if (since != NotWaiting)
        {
            // Every wait but the first begins after the start.
            var kind = since == _startedAt ? ProviderTimeoutKind.FirstToken : ProviderTimeoutKind.Idle;
            var patience = LimitOf(kind) - _clock.GetElapsedTime(since, now);
            if (patience <= TimeSpan.Zero)
            {
                Expire(kind);
                return;
            }

            left = Min(left, patience);
        }

        // A wait may begin right after this look; it is then seen at the latest one shortest limit later.
        SleepAgain(Min(left, since == NotWaiting ? Shortest(_limits) : left));
    }

    private void SleepAgain(TimeSpan pause)
    {
        try
        {
            // Never below the timer's own grain, or it would fire early and spin.
            _timer.Change(Max(pause, TimeSpan.FromMilliseconds(1)), Timeout.InfiniteTimeSpan);
        }
        catch (ObjectDisposedException)
        {
            // The stream ended while the timer fired.
        }
    }

    private void Expire(ProviderTimeoutKind kind)
    {
        Volatile.Write(ref _expired, (int)kind);
        try
        {
            _cancel.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The stream ended while the timer fired.
        }
    }

    private static TimeSpan Shortest(ProviderTimeouts limits) => Min(Min(limits.FirstToken, limits.Idle), limits.Total);

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
