using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Operations;

/// <summary>The workers that were alive lately, from their heartbeats.</summary>
public sealed class WorkerReads(NpgsqlDataSource database)
{
    // Three missed heartbeats of 3 s and the lease of 10 s have passed: its jobs are being rescued.
    private const string Sql = """
        SELECT id, name, slots, busy, started_at, last_seen_at, fenced_writes,
               CASE WHEN last_seen_at < now() - interval '10 seconds' THEN 'lost' WHEN draining THEN 'draining' ELSE 'alive' END
          FROM workers WHERE stopped_at IS NULL AND last_seen_at > now() - interval '15 minutes' ORDER BY last_seen_at DESC LIMIT 200
        """;

    /// <returns>Newest heartbeat first.</returns>
    public async Task<IReadOnlyList<WorkerInfo>> ListAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static WorkerInfo Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetString(1),
            row.GetString(7),
            row.GetInt32(2),
            row.GetInt32(3),
            row.GetFieldValue<DateTimeOffset>(4),
            row.GetFieldValue<DateTimeOffset>(5),
            row.GetInt64(6)
        );
}
