using Npgsql;

namespace AiBackend.Core.Admission;

/// <summary>Forgets the counters of deployments that nobody calls any more.</summary>
public sealed class PruneCallWindows(NpgsqlDataSource database)
{
    // A day is many windows: nothing counts any more. The row is locked as by a call, which finds it or makes it anew.
    private const string Sql = """
        WITH old AS (
            DELETE FROM call_windows w WHERE w.slot < (extract(epoch FROM now()) * 1000)::bigint / w.slot_ms - 86400000 / w.slot_ms RETURNING 1
        ), closed AS (
            DELETE FROM open_calls o
             WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = o.job_id AND j.status::int = 2 AND j.lease_epoch = o.lease_epoch)
               AND NOT EXISTS (SELECT 1 FROM provider_calls c WHERE o.lease_epoch = 0 AND c.job_id = o.job_id AND c.lease_epoch = 0 AND c.state::int IN (0, 1))
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM old) + (SELECT count(*) FROM closed)
        """;

    /// <returns>How many rows are gone.</returns>
    public async Task<long> RunAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
