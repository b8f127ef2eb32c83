namespace AiBackend.Tests.Simulation;

/// <summary>One thread, one clock, one seed: decides which of everything that could happen next does.</summary>
/// <remarks>
/// Product code runs on <see cref="SimProcess"/> contexts. Whatever it awaits comes back here as a step, and steps are picked at
/// random; time moves only when no step is left. The same seed makes the same run.
/// </remarks>
internal sealed class Schedule(int seed)
{
    private const int MaxStepsInAnInstant = 20_000;

    private readonly List<Step> _ready = [];
    private readonly PriorityQueue<SimTimer, (long DueAt, long Order)> _timers = new();
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private long _order;
    private volatile bool _isOver;

    public static DateTimeOffset Start { get; } = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public Random Random { get; } = new(seed);

    public DateTimeOffset Now { get; private set; } = Start;

    public int Steps { get; private set; }

    /// <summary>What broke the rules of the simulation itself; the run is void then.</summary>
    public string? Broken { get; private set; }

    public bool Chance(double probability) => Random.NextDouble() < probability;

    /// <summary>A time between two, evenly.</summary>
    public TimeSpan Between(double fromSeconds, double toSeconds) =>
        TimeSpan.FromMilliseconds(Math.Round((fromSeconds + (Random.NextDouble() * (toSeconds - fromSeconds))) * 1000));

    /// <summary>Runs until <paramref name="isDone"/> or until nothing is left to do before <paramref name="until"/>.</summary>
    public void Run(Func<bool> isDone, DateTimeOffset until)
    {
        var outer = SynchronizationContext.Current;
        try
        {
            var since = Steps;
            var at = Now;
            while (Broken is null && !isDone() && (_ready.Count > 0 || FireNext(until)))
            {
                if (_ready.Count > 0)
                {
                    RunOne();
                    (since, at) = Now > at ? (Steps, Now) : (since, at);
                    Broken = Steps - since > MaxStepsInAnInstant ? "Something spins: time stands still and work does not end." : Broken;
                }
            }
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(outer);
        }
    }

    /// <summary>Nothing happens any more.</summary>
    public void End() => _isOver = true;

    internal void Add(SimProcess process, SendOrPostCallback callback, object? state)
    {
        if (process.IsDead || _isOver)
        {
            return; // Also what the garbage collector finds of a process, on a thread of its own.
        }

        if (Environment.CurrentManagedThreadId != _thread)
        {
            Broken ??= $"Work left the simulated thread: {new System.Diagnostics.StackTrace()}";
            return;
        }

        var step = new Step(process, callback, state);
        if (process.IsFrozen)
        {
            process.Held.Add(step);
        }
        else
        {
            _ready.Add(step);
        }
    }

    internal void Arm(SimTimer timer, TimeSpan dueIn)
    {
        // Whole microseconds, so that Postgres can hold every moment of a run.
        timer.DueAt = Now + TimeSpan.FromTicks((dueIn.Ticks + 9) / 10 * 10);
        timer.Version = ++_order;
        _timers.Enqueue(timer, (timer.DueAt.Ticks, timer.Version));
    }

    private bool FireNext(DateTimeOffset until)
    {
        while (_timers.TryDequeue(out var timer, out var due))
        {
            if (timer.Version != due.Order || timer.Process.IsDead)
            {
                continue; // Changed or disposed since, or its process is gone.
            }

            if (timer.DueAt > until)
            {
                _timers.Enqueue(timer, due);
                return false;
            }

            Now = timer.DueAt > Now ? timer.DueAt : Now;
            timer.Version = SimTimer.IsDue;
            Add(timer.Process, static timer => ((SimTimer)timer!).Fire(), timer);
            return true;
        }

        return false;
    }

    private void RunOne()
    {
        var index = _ready.Count == 1 ? 0 : Random.Next(_ready.Count);
        var step = _ready[index];
        _ready[index] = _ready[^1];
        _ready.RemoveAt(_ready.Count - 1);
        if (step.Process.IsDead)
        {
            return;
        }

        if (step.Process.IsFrozen)
        {
            step.Process.Held.Add(step);
            return;
        }

        Steps++;
        SynchronizationContext.SetSynchronizationContext(step.Process);
        step.Callback(step.State);
    }

    internal readonly record struct Step(SimProcess Process, SendOrPostCallback Callback, object? State);
}

/// <summary>A timer on virtual time, in a process: it does not fire while its process is frozen and never after its death.</summary>
internal sealed class SimTimer(Schedule schedule, SimProcess process, TimerCallback callback, object? state) : ITimer
{
    public const long IsDue = -1;

    private TimeSpan _period = Timeout.InfiniteTimeSpan;

    public SimProcess Process { get; } = process;

    public DateTimeOffset DueAt { get; set; }

    /// <summary>Of the last arming; 0 is disarmed, <see cref="IsDue"/> is about to fire.</summary>
    public long Version { get; set; }

    public void Fire()
    {
        // Changed or disposed between the moment it was due and now.
        if (Version != IsDue)
        {
            return;
        }

        Version = 0;
        if (_period > TimeSpan.Zero)
        {
            schedule.Arm(this, _period);
        }

        callback(state);
    }

    public bool Change(TimeSpan dueTime, TimeSpan period)
    {
        _period = period;
        Version = 0;
        if (dueTime >= TimeSpan.Zero)
        {
            schedule.Arm(this, dueTime);
        }

        return true;
    }

    public void Dispose() => Version = 0;

    public ValueTask DisposeAsync()
    {
        Version = 0;
        return ValueTask.CompletedTask;
    }
}
