using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs;

internal sealed partial class PostgresJobStore
{
    // The clock does not decide here: an expired lease that nobody has taken over is still ours.
    private const string RenewSql = """
        UPDATE jobs j SET lease_until = now() + @lease
          FROM unnest(@ids, @epochs) AS i (id, epoch)
         WHERE j.id = i.id AND j.status::int = 2 AND j.lease_epoch = i.epoch
        RETURNING j.id, j.cancel_requested
        """;

    private const string HeartbeatSql = """
        INSERT INTO workers (id, name, slots, busy, fenced_writes, draining, ready_slots, ended)
        VALUES (@worker_id, @name, @slots, @busy, @fenced_writes, @draining, @ready_slots, @ended)
        ON CONFLICT (id) DO UPDATE
           SET busy = excluded.busy, ended = excluded.ended, ready_slots = excluded.ready_slots, fenced_writes = excluded.fenced_writes, draining = excluded.draining, last_seen_at = now()
        """;

    public Task<IReadOnlyDictionary<Guid, bool>> RenewAsync(
        WorkerHeartbeat heartbeat,
        IReadOnlyList<JobLease> leases,
        TimeSpan lease,
        CancellationToken cancellationToken
    ) => TransientRetry.RunAsync(token => RenewOnceAsync(heartbeat, leases, lease, token), cancellationToken);

    private async Task<IReadOnlyDictionary<Guid, bool>> RenewOnceAsync(
        WorkerHeartbeat heartbeat,
        IReadOnlyList<JobLease> leases,
        TimeSpan lease,
        CancellationToken cancellationToken
    )
    {
        var sorted = leases.OrderBy(held => held.JobId).ToList();
        await using var batch = hot.CreateBatch();
        var renew = new NpgsqlBatchCommand(RenewSql);
        renew.Parameters.AddColumn("ids", NpgsqlDbType.Uuid, sorted, held => held.JobId);
        renew.Parameters.AddColumn("epochs", NpgsqlDbType.Integer, sorted, held => held.Epoch);
        renew.Parameters.AddWithValue("lease", lease);
        batch.BatchCommands.Add(renew);
        batch.BatchCommands.Add(Heartbeat(heartbeat));

        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var held = new Dictionary<Guid, bool>(sorted.Count);
        while (await reader.ReadAsync(cancellationToken))
        {
            held.Add(reader.GetGuid(0), reader.GetBoolean(1));
        }

        return held;
    }

    public async Task RecordStopAsync(Guid workerId, CancellationToken cancellationToken)
    {
        await using var command = hot.CreateCommand("UPDATE workers SET stopped_at = now() WHERE id = @worker_id");
        command.Parameters.AddWithValue("worker_id", workerId);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static NpgsqlBatchCommand Heartbeat(WorkerHeartbeat heartbeat)
    {
        var command = new NpgsqlBatchCommand(HeartbeatSql);
        command.Parameters.AddWithValue("worker_id", heartbeat.WorkerId);
        command.Parameters.AddWithValue("name", heartbeat.Name);
        command.Parameters.AddWithValue("slots", heartbeat.Slots);
        command.Parameters.AddWithValue("busy", heartbeat.Busy);
        command.Parameters.AddWithValue("fenced_writes", heartbeat.FencedWrites);
        command.Parameters.AddWithValue("draining", heartbeat.Draining);
        command.Parameters.AddWithValue("ready_slots", heartbeat.ReadySlots);
        command.Parameters.AddWithValue("ended", heartbeat.Ended);
        return command;
    }
}

/// <summary>What a worker says about itself.</summary>
/// <param name="WorkerId">Unique for the process.</param>
/// <param name="Name">Host name and process id.</param>
/// <param name="Slots">Jobs it may run at once.</param>
/// <param name="Busy">Jobs it runs now.</param>
/// <param name="FencedWrites">Writes it lost to a newer lease since it started.</param>
/// <param name="Draining">Whether it takes no more jobs.</param>
/// <param name="ReadySlots">Those of its slots that jobs of the ready stream may take.</param>
public sealed record WorkerHeartbeat(Guid WorkerId, string Name, int Slots, int Busy, long FencedWrites, bool Draining, int ReadySlots)
{
    /// <summary>Jobs it has ended for good since it started.</summary>
    public long Ended { get; init; }
}
