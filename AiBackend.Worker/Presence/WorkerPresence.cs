using AiBackend.Core.Database;
using AiBackend.Worker.Execution;
using Npgsql;

namespace AiBackend.Worker.Presence;

/// <summary>Holds a lock of a session in Postgres for as long as this process lives, so that the others see soon that it ended.</summary>
/// <remarks>
/// The kernel closes the connections of a process that dies, and Postgres then gives up the locks of its sessions. A frozen process, a cut
/// network and a machine that loses its power keep theirs: for those there are leases (docs/adr/0004).
/// </remarks>
internal sealed class WorkerPresence(
    NpgsqlDataSource database,
    IStorageWatch storage,
    WorkerIdentity identity,
    TimeProvider clock,
    ILogger<WorkerPresence> logger
) : BackgroundService
{
    /// <summary>The key of a worker's lock: a hash of its id, which workers find again among all locks.</summary>
    public const string KeySql = "hashtextextended('worker/' || id, 0)";

    // Soon enough that nobody takes a living worker for a dead one.
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(100);

    private const string HoldSql = $"SELECT pg_advisory_lock({KeySql}) FROM (SELECT @id::text) AS w (id)";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await storage.WaitUntilBackAsync(stoppingToken);
                await HoldAsync(stoppingToken);
                await Task.Delay(RetryInterval, clock, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The worker has stopped, and has said so.
        }
    }

    /// <summary>Returns when the session has ended.</summary>
    private async Task HoldAsync(CancellationToken stoppingToken)
    {
        try
        {
            await using var connection = await database.OpenConnectionAsync(stoppingToken);
            await using var hold = new NpgsqlCommand(HoldSql, connection);
            hold.Parameters.AddWithValue("id", identity.Id.ToString());
            await hold.ExecuteNonQueryAsync(stoppingToken);
            while (true)
            {
                // Nobody notifies this session: it throws when the session is broken, or this worker stops. Then its lock no longer matters.
                await connection.WaitAsync(stoppingToken);
            }
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe to go on: without the lock the leases of this worker run out by themselves.
            if (!storage.Report(failure))
            {
                logger.PresenceLost(failure);
            }
        }
    }
}
