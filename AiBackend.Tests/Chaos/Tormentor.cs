using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>Does to the processes of a stack what the world does, and writes it into the history.</summary>
internal sealed class Tormentor(Stack stack, History history)
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    private readonly Random _random = new(4711);

    /// <summary>Kills so far, by program.</summary>
    public Dictionary<string, int> Kills { get; } = [];

    /// <summary>Workers that were told to stop.</summary>
    public int Stops { get; private set; }

    /// <summary>Kills one of the programs after another, at random moments between two pauses, until told to stop.</summary>
    /// <param name="programs">Which; one that is named twice dies twice as often.</param>
    /// <param name="least">Of the pause.</param>
    /// <param name="most">Of the pause.</param>
    /// <param name="stopsEvery">After so many kills a worker is told to stop in order, besides; null: never.</param>
    /// <param name="stop">Ends it.</param>
    public async Task RunAsync(IReadOnlyList<string> programs, TimeSpan least, TimeSpan most, int? stopsEvery, CancellationToken stop)
    {
        try
        {
            for (var kills = 1; ; kills++)
            {
                await Task.Delay(least + (most - least) * _random.NextDouble(), stop);
                while (!await KillAsync(programs[_random.Next(programs.Count)]))
                {
                    await Task.Delay(Moment, stop);
                }

                if (kills % stopsEvery == 0)
                {
                    // Nobody waits for it: the next kill may hit it while it stops.
                    _ = TellWorkerToStop(_random.Next(stack.Processes.Of("worker").Count));
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Enough.
        }
    }

    /// <summary>Kills one process of a program; for Redis, waits until it is back, because that is what its readers are promised.</summary>
    /// <returns>False: it was down from the last time.</returns>
    public async Task<bool> KillAsync(string program)
    {
        var replica = _random.Next(stack.Processes.Of(program).Count);
        var at = Now;
        if (TrySend(program, AiBackend.LocalHost.Supervision.Signal.Kill, replica) is not { } killed)
        {
            return false;
        }

        Kills[program] = Kills.GetValueOrDefault(program) + 1;
        Record(Operations.Kill, at, killed, program);
        if (program is "redis")
        {
            Record(Operations.RedisLost, at, killed, "killed");
            await stack.Processes.WaitForRestartAsync(program, killed, replica, TestRun.Cancel);
            Record(Operations.RedisBack, Now, killed, "restarted");
        }

        return true;
    }

    /// <summary>Tells one worker to stop in order, twice: impatience must not cost a job.</summary>
    public async Task TerminateWorkerAsync(int replica)
    {
        var told = TellWorkerToStop(replica);
        Assert.NotNull(told);
        await stack.Processes.WaitForRestartAsync("worker", told.Value, replica, TestRun.Cancel);
    }

    private int? TellWorkerToStop(int replica)
    {
        var at = Now;
        var told = TrySend("worker", AiBackend.LocalHost.Supervision.Signal.Terminate, replica);
        if (told is not null)
        {
            Stops++;
            Record(Operations.Terminate, at, told, "worker");
            TrySend("worker", AiBackend.LocalHost.Supervision.Signal.Terminate, replica);
        }

        return told;
    }

    /// <summary>Makes Redis forget everything.</summary>
    public async Task FlushRedisAsync()
    {
        Record(Operations.RedisLost, Now, null, "flushed");
        var options = StackExchange.Redis.ConfigurationOptions.Parse(stack.Redis);
        options.AllowAdmin = true;
#pragma warning disable RS0030 // A client of the test's own.
        using var redis = await StackExchange.Redis.ConnectionMultiplexer.ConnectAsync(options);
#pragma warning restore RS0030
        await redis.GetServer(options.EndPoints[0]).FlushAllDatabasesAsync();
        Record(Operations.RedisBack, Now, null, "empty");
    }

    /// <returns>The pid; null when the process is down.</returns>
    private int? TrySend(string program, AiBackend.LocalHost.Supervision.Signal signal, int replica)
    {
        try
        {
            return stack.Processes.Send(program, signal, replica);
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private void Record(string op, DateTimeOffset at, int? processId, string detail) =>
        history.Add(
            new()
            {
                At = at,
                Op = op,
                Phase = Phase.Ok,
                ProcessId = processId,
                Detail = detail,
            }
        );

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();
}
