namespace AiBackend.Tests.Simulation;

/// <summary>A process of the simulated system: everything that runs in it dies with it, and freezes with it.</summary>
internal sealed class SimProcess : SynchronizationContext
{
    private readonly Schedule _schedule;
    private readonly List<Action> _onDeath = [];

    public SimProcess(Schedule schedule, string name)
    {
        _schedule = schedule;
        Name = name;
        Clock = new ProcessClock(schedule, this);
    }

    public string Name { get; }

    public TimeProvider Clock { get; }

    public bool IsDead { get; private set; }

    public bool IsFrozen { get; private set; }

    /// <summary>Steps that wait for the thaw.</summary>
    internal List<Schedule.Step> Held { get; } = [];

    /// <summary>As SIGKILL: nothing of it runs any more. What it had sent may still arrive.</summary>
    public void Kill()
    {
        if (!IsDead)
        {
            IsDead = true;
            Held.Clear();
            _onDeath.ForEach(action => action());
        }
    }

    /// <summary>As SIGSTOP: it holds what it holds and notices nothing.</summary>
    public void Freeze() => IsFrozen = true;

    /// <summary>As SIGCONT: everything that waited happens at once, in any order.</summary>
    public void Thaw()
    {
        IsFrozen = false;
        foreach (var step in Held)
        {
            Post(step.Callback, step.State);
        }

        Held.Clear();
    }

    public void OnDeath(Action action) => _onDeath.Add(action);

    /// <summary>Runs something in this process as a step of its own.</summary>
    public void Do(Action action) => Post(static action => ((Action)action!)(), action);

    public override void Post(SendOrPostCallback d, object? state) => _schedule.Add(this, d, state);

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("Nothing may block here.");

    public override SynchronizationContext CreateCopy() => this;

    private sealed class ProcessClock(Schedule schedule, SimProcess process) : TimeProvider
    {
        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => schedule.Now;

        public override long GetTimestamp() => schedule.Now.Ticks;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new SimTimer(schedule, process, callback, state);
            timer.Change(dueTime, period);
            return timer;
        }
    }
}
