namespace AiBackend.Tests.Fixtures;

/// <summary>A clock that moves only when told, and fires the timers it passes in their order.</summary>
/// <remarks>Await <see cref="WaitForTimersAsync"/> before <see cref="Advance"/>, so that the code under test is waiting already.</remarks>
public sealed class FakeTime(DateTimeOffset startAt) : TimeProvider
{
    /// <summary>Real time that the code under test gets to reach for the clock; then the wait throws.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(TestRun.IsContinuousIntegration ? 30 : 10);

    private readonly Lock _gate = new();
    private readonly List<FakeTimer> _armed = [];
    private readonly List<(Func<bool> IsReached, TaskCompletionSource Reached)> _waiting = [];
    private DateTimeOffset _now = startAt;

    public FakeTime()
        : this(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero)) { }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
        {
            return _now;
        }
    }

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new FakeTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves the clock; timers due on the way fire on this thread, each at its own instant.</summary>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        var target = GetUtcNow() + by;
        while (TakeNext(target) is { } timer)
        {
            timer.Fire();
        }
    }

    /// <summary>Completes as soon as at least <paramref name="count"/> timers are waiting for the clock.</summary>
    public Task WaitForTimersAsync(int count, CancellationToken cancellationToken) =>
        WaitAsync(() => _armed.Count >= count, cancellationToken);

    /// <summary>Completes as soon as a timer waits that is due exactly <paramref name="dueIn"/> from now.</summary>
    public Task WaitForTimerAsync(TimeSpan dueIn, CancellationToken cancellationToken) =>
        WaitAsync(() => _armed.Exists(timer => timer.DueAt == _now + dueIn), cancellationToken);

    private Task WaitAsync(Func<bool> isReached, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (isReached())
            {
                return Task.CompletedTask;
            }

            var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((isReached, reached));
            return reached.Task.WaitAsync(Patience, System, cancellationToken);
        }
    }

    private FakeTimer? TakeNext(DateTimeOffset target)
    {
        lock (_gate)
        {
            var next = _armed.Where(timer => timer.DueAt <= target).MinBy(timer => timer.DueAt);
            if (next is null)
            {
                _now = target;
                return null;
            }

            _now = next.DueAt > _now ? next.DueAt : _now;
            if (next.Period > TimeSpan.Zero)
            {
                next.DueAt += next.Period;
            }
            else
            {
                _armed.Remove(next);
            }

            return next;
        }
    }

    private void Arm(FakeTimer timer, TimeSpan dueTime, TimeSpan period)
    {
        lock (_gate)
        {
            _armed.Remove(timer);
            if (dueTime < TimeSpan.Zero)
            {
                return;
            }

            timer.DueAt = _now + dueTime;
            timer.Period = period;
            _armed.Add(timer);
            foreach (var (_, reached) in _waiting.Where(wait => wait.IsReached()))
            {
                reached.TrySetResult();
            }

            _waiting.RemoveAll(wait => wait.Reached.Task.IsCompleted);
        }
    }

    private void Disarm(FakeTimer timer)
    {
        lock (_gate)
        {
            _armed.Remove(timer);
        }
    }

    private sealed class FakeTimer(FakeTime clock, Action fire) : ITimer
    {
        public DateTimeOffset DueAt { get; set; }

        public TimeSpan Period { get; set; }

        public void Fire() => fire();

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            clock.Arm(this, dueTime, period);
            return true;
        }

        public void Dispose() => clock.Disarm(this);

        public ValueTask DisposeAsync()
        {
            clock.Disarm(this);
            return ValueTask.CompletedTask;
        }
    }
}
