using AiBackend.LocalHost;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Worker;
using Aspire.Hosting;

namespace AiBackend.Tests.EndToEnd;

/// <summary>What the local host can do to a stack's processes, and Aspire has no API for.</summary>
public sealed partial class Stack
{
    /// <summary>The processes: pids, kill -9, SIGSTOP and SIGCONT, orderly stop and start of any resource, last lines of output.</summary>
    public ResourceProcesses Processes => _app.Processes();

    /// <summary>Kills a worker as by <c>kill -9</c>; it is started again at once.</summary>
    /// <returns>Its pid.</returns>
    public int KillWorker(int replica = 0) => Processes.Kill("worker", replica);

    /// <summary>Stops a worker from running at all (SIGSTOP), leases, sockets and all, until <see cref="ThawWorker"/>.</summary>
    public int FreezeWorker(int replica = 0) => Processes.Freeze("worker", replica);

    public int ThawWorker(int replica = 0) => Processes.Thaw("worker", replica);

    /// <summary>Stops Redis in an orderly way and starts it again on the same port with its data.</summary>
    public Task RestartRedisAsync() => Processes.RestartAsync("redis", TestRun.Cancel);

    /// <summary>Stops Postgres in an orderly way and starts it again on the same port with its data.</summary>
    public Task RestartPostgresAsync() => Processes.RestartAsync("postgres", TestRun.Cancel);

    /// <summary>The worker that writes the model's answer, once it has written some of it.</summary>
    public async Task<int> HolderAsync(string model)
    {
        await using var database = Npgsql.NpgsqlDataSource.Create(Postgres);
        var name = await Eventually.GetAsync(
            async token =>
            {
                await using var command = database.CreateCommand(
                    "SELECT w.name FROM jobs j JOIN workers w ON w.id = j.worker_id WHERE j.model = $1 AND j.status = 2 AND j.last_seq > 6"
                );
                command.Parameters.Add(new Npgsql.NpgsqlParameter { Value = model });
                return await command.ExecuteScalarAsync(token) as string;
            },
            found => found is not null,
            "the answer is being written",
            TimeSpan.FromSeconds(30)
        );
        return ReplicaOf(name!);
    }

    /// <summary>The worker of a name that stands in heartbeats and traces.</summary>
    public int ReplicaOf(string workerName)
    {
        var pid = WorkerProcess.IdOf(workerName);
        return Processes.Of("worker").Select((worker, index) => (worker, index)).Single(each => each.worker.ProcessId == pid).index;
    }

    static partial void DescribeFailure(DistributedApplication app, ref string lines) =>
        lines = string.Join(
            '\n',
            from replica in (string[])["host", "migrations", "api", "worker-1", "web"]
            from line in app.Processes().LastLines(replica, 15)
            select $"{replica} | {line}"
        );
}
