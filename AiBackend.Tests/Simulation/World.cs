using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using Npgsql;

namespace AiBackend.Tests.Simulation;

/// <summary>Where jobs are kept: memory, or Postgres whose clock follows the schedule.</summary>
/// <param name="Jobs">Statements.</param>
/// <param name="Queued">Look-ups of queued jobs.</param>
/// <param name="Log">The event log.</param>
/// <param name="Suspects">Jobs that must run alone.</param>
/// <param name="Dump">What is stored now.</param>
/// <param name="Begin">Called before each statement.</param>
internal sealed record Backend(
    IJobStore Jobs,
    IQueuedJobs Queued,
    IJobEventLog Log,
    Func<Task<Guid[]>> Suspects,
    Func<IReadOnlyList<StoredJob>> Dump,
    Action Begin
);

/// <summary>What a run is made of; tests plant their bugs here.</summary>
internal sealed record SimulatedSystem
{
    /// <summary>Where jobs are kept.</summary>
    public required Func<World, Backend> Backend { get; init; }

    /// <summary>How a process reaches it.</summary>
    public Func<World, SimProcess, UnreliableStore> Edge { get; init; } = (world, process) => new UnreliableStore(world, process);

    /// <summary>The bug of creating a lost group at the end of the stream instead of its beginning.</summary>
    public bool GroupFromEnd { get; init; }

    /// <summary>Kills, freezes and so on; null picks a few.</summary>
    public int? Disturbances { get; init; }
}

/// <summary>One run: the schedule, what all processes share, and what goes wrong between them.</summary>
internal sealed class World
{
    private readonly SimProcess _outside;

    public World(Schedule schedule, SimulatedSystem system)
    {
        Schedule = schedule;
        _outside = new SimProcess(schedule, "outside");
        System = system;
        Backend = system.Backend(this);
        Referee = new Referee(this);
        Redis = new SimRedis(this, limit: schedule.Random.Next(1, 5)) { GroupFromEnd = system.GroupFromEnd };
    }

    public Schedule Schedule { get; }

    public SimulatedSystem System { get; }

    public Backend Backend { get; }

    public Referee Referee { get; }

    public SimRedis Redis { get; }

    public Telemetry Telemetry { get; } = new();

    /// <summary>Off once the faults of a run are over: then everything must come to its end by itself.</summary>
    public bool FaultsOn { get; set; } = true;

    /// <summary>Every call to Postgres fails while this lasts.</summary>
    public bool PostgresDown { get; set; }

    public int Kills { get; set; }

    /// <summary>Statements that took effect.</summary>
    public int Calls { get; private set; }

    public List<string>? Trace { get; init; }

    /// <summary>What of that which runs are meant to reach this one has reached.</summary>
    public HashSet<string> Reached { get; } = new(StringComparer.Ordinal);

    public DateTimeOffset Now => Schedule.Now;

    /// <summary>The store's random numbers within one statement: the n-th one.</summary>
    public double Dice(int n) => (((n + 1) * 7919L) + Schedule.Now.Ticks / 10 % 10_007) % 10_007 / 10_007.0;

    public void Sometimes(string what) => Reached.Add(what);

    public void Note(string text) => Trace?.Add($"{(Now - Schedule.Start).TotalSeconds, 9:0.000} {text}");

    public void After(TimeSpan delay, Action action)
    {
        if (delay <= TimeSpan.Zero)
        {
            _outside.Do(action);
        }
        else
        {
            _outside.Clock.CreateTimer(static action => ((Action)action!)(), action, delay, Timeout.InfiniteTimeSpan);
        }
    }

    public void Kill(SimProcess process)
    {
        if (!process.IsDead)
        {
            Kills++;
            Note($"{process.Name} is killed");
            process.Kill();
        }
    }

    /// <summary>A statement on its way: it may be late, get lost, take effect and lose its reply, or take its sender down.</summary>
    public Task<T> CallAsync<T>(
        SimProcess process,
        string name,
        Func<Task<T>> effect,
        Action<T> observe,
        CancellationToken cancellationToken
    )
    {
        var reply = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (cancellationToken.CanBeCanceled)
        {
            cancellationToken.Register(() => reply.TrySetCanceled(cancellationToken));
        }

        var fate = Fate.Pick(this);
        if (fate.FailsFirst)
        {
            After(fate.Before, () => reply.TrySetException(Outage(name)));
        }

        if (fate.TakesEffect)
        {
            After(fate.FailsFirst ? fate.Before + fate.Between : fate.Before, () => Execute(process, name, effect, observe, fate, reply));
        }

        return reply.Task;
    }

    private void Execute<T>(
        SimProcess process,
        string name,
        Func<Task<T>> effect,
        Action<T> observe,
        Fate fate,
        TaskCompletionSource<T> reply
    )
    {
        try
        {
            Calls++;
            Backend.Begin();
            var result = Finished(effect);
            Note($"{process.Name}: {name}");
            observe(result);
            if (fate.Kills && !process.IsDead)
            {
                Kill(process);
            }
            else if (fate.LosesReply)
            {
                After(fate.Between, () => reply.TrySetException(Outage(name)));
            }
            else
            {
                After(fate.Between, () => reply.TrySetResult(result));
            }
        }
        catch (Exception failure)
        {
            Note($"{process.Name} {name} fails: {failure.Message}");
            After(fate.Between, () => reply.TrySetException(failure));
        }
    }

    /// <summary>Runs a statement to its end inside this step, so that the schedule stays the only one who decides.</summary>
    private static T Finished<T>(Func<Task<T>> effect)
    {
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            return effect().GetAwaiter().GetResult();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    private static NpgsqlException Outage(string name) => new($"simulated: no answer to '{name}'", new IOException("simulated"));

    public static TimeoutException RedisOutage() => new("simulated: no answer from Redis");
}

/// <summary>What happens to one statement.</summary>
internal readonly record struct Fate(bool TakesEffect, bool FailsFirst, bool LosesReply, bool Kills, TimeSpan Before, TimeSpan Between)
{
    public static Fate Pick(World world)
    {
        var schedule = world.Schedule;
        if (!world.FaultsOn)
        {
            return new Fate(true, false, false, false, TimeSpan.Zero, TimeSpan.Zero);
        }

        if (world.PostgresDown)
        {
            return new Fate(false, true, false, false, schedule.Between(0, 0.2), TimeSpan.Zero);
        }

        var before = schedule.Chance(0.2) ? schedule.Between(0, 0.05) : TimeSpan.Zero;
        return schedule.Random.NextDouble() switch
        {
            < 0.02 => new Fate(false, true, false, false, before, TimeSpan.Zero),
            < 0.05 => new Fate(true, false, true, false, before, schedule.Between(0, 0.1)),
            // The sender gave up, and then it was executed after all.
            < 0.06 => new Fate(true, true, false, false, before, schedule.Between(0, 3)),
            < 0.07 => new Fate(true, false, false, false, schedule.Between(0, 4), TimeSpan.Zero),
            < 0.075 => new Fate(true, false, false, true, before, TimeSpan.Zero),
            // Stuck on the way for longer than a lease lasts, and nearly as long as a statement may take.
            < 0.08 => new Fate(true, false, false, false, schedule.Between(8, 14), TimeSpan.Zero),
            < 0.095 => new Fate(true, false, false, false, before, schedule.Between(0, 4)),
            _ => new Fate(true, false, false, false, before, TimeSpan.Zero),
        };
    }
}
