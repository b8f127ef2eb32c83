using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Chaos;

/// <summary>Does to the processes of a stack what the world does, and writes it into the history.</summary>
internal sealed class Tormentor(Stack stack, History history)
{
    private readonly Random _random = new(4711);

    /// <summary>Kills so far, by program.</summary>
    public Dictionary<string, int> Kills { get; } = [];

    /// <summary>Kills one of the programs after another, at random moments between two pauses, until told to stop.</summary>
    public async Task RunAsync(IReadOnlyList<string> programs, TimeSpan least, TimeSpan most, CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await Task.Delay(least + (most - least) * _random.NextDouble(), stop);
                await KillAsync(programs[_random.Next(programs.Count)]);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Enough.
        }
    }

    /// <summary>Kills one process of a program; for Redis, waits until it is back, because that is what its readers are promised.</summary>
    public async Task KillAsync(string program)
    {
        var replica = _random.Next(stack.Processes.Of(program).Count);
        var at = Now;
        int killed;
        try
        {
            killed = stack.Processes.Kill(program, replica);
        }
        catch (InvalidOperationException)
        {
            // It is down from the last time.
            return;
        }

        Kills[program] = Kills.GetValueOrDefault(program) + 1;
        Record(Operations.Kill, at, killed, program);
        if (program is "redis")
        {
            Record(Operations.RedisLost, at, killed, "killed");
            await stack.Processes.WaitForRestartAsync(program, killed, replica, TestRun.Cancel);
            Record(Operations.RedisBack, Now, killed, "restarted");
        }
    }

    /// <summary>Tells one worker to stop in order, twice: impatience must not cost a job.</summary>
    public async Task TerminateWorkerAsync(int replica)
    {
        var at = Now;
        var told = stack.Processes.Send("worker", AiBackend.LocalHost.Supervision.Signal.Terminate, replica);
        Record(Operations.Terminate, at, told, "worker");
        stack.Processes.Send("worker", AiBackend.LocalHost.Supervision.Signal.Terminate, replica);
        await stack.Processes.WaitForRestartAsync("worker", told, replica, TestRun.Cancel);
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
