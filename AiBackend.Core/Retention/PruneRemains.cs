using Npgsql;

namespace AiBackend.Core.Retention;

/// <summary>Forgets what is left of sessions, keys, jobs and runs that are over: rows that nobody can use any more, and that name somebody.</summary>
public sealed class PruneRemains(NpgsqlDataSource database)
{
    private const int MaxBatch = 1_000;

    private const string SessionsSql = """
        DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE created_at < now() - interval '25 hours' LIMIT @limit)
        """;

    // Only of keys that are over: of a key in use the row may be counted in at this moment.
    private const string WindowsSql = """
        DELETE FROM key_windows WHERE (key_id, kind) IN (
            SELECT w.key_id, w.kind FROM key_windows w
             WHERE w.window_at < now() - interval '1 hour'
               AND NOT EXISTS (SELECT 1 FROM api_keys k
                                WHERE k.key_id = w.key_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()))
             LIMIT @limit)
        """;

    private const string DetailsSql = """
        DELETE FROM deleted_details WHERE job_id IN (
            SELECT d.job_id FROM deleted_details d
             WHERE d.deleted_at < now() - interval '1 hour' AND NOT EXISTS (SELECT 1 FROM job_payloads p WHERE p.job_id = d.job_id)
             LIMIT @limit)
        """;

    private const string StepsSql = """
        DELETE FROM workflow_steps WHERE run_id IN (
            SELECT s.run_id FROM workflow_steps s
             WHERE s.started_at < now() - interval '1 day' AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = s.run_id)
             LIMIT @limit)
        """;

    /// <returns>How many rows are gone.</returns>
    public async Task<long> RunAsync(CancellationToken cancellationToken) =>
        await PruneAsync(SessionsSql, cancellationToken)
        + await PruneAsync(WindowsSql, cancellationToken)
        + await PruneAsync(DetailsSql, cancellationToken)
        + await PruneAsync(StepsSql, cancellationToken);

    private async Task<long> PruneAsync(string sql, CancellationToken cancellationToken)
    {
        var (all, batch) = (0L, MaxBatch);
        while (batch == MaxBatch)
        {
#pragma warning disable CA2100 // Constants of this class.
            await using var command = database.CreateCommand(sql);
#pragma warning restore CA2100
            command.Parameters.AddWithValue("limit", MaxBatch);
            batch = await command.ExecuteNonQueryAsync(cancellationToken);
            all += batch;
        }

        return all;
    }
}
