using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Workflows;

/// <summary>What the leader does about steps that are under way: runs go on when something came, and end with what they began.</summary>
public sealed class OpenSteps(NpgsqlDataSource database)
{
    private const string AnyOpenSql = """
        SELECT EXISTS (SELECT 1 FROM workflow_steps WHERE ended_at IS NULL AND job_id IS NOT NULL)
            OR EXISTS (SELECT 1 FROM workflow_steps WHERE ended_at IS NULL AND posted_at IS NOT NULL)
        """;

    // Runs go on whose steps' jobs have ended, or whose events have come. Those that are under way are seen again in the next round.
    private const string WakeSql = """
        UPDATE jobs r SET due_at = now()
         WHERE r.status::int = 5 AND r.waiting_reason = 'steps' AND r.due_at > now()
           AND r.id IN (SELECT s.run_id FROM workflow_steps s JOIN jobs j ON j.id = s.job_id
                         WHERE s.ended_at IS NULL AND s.job_id IS NOT NULL AND j.status >= 6
                        UNION ALL
                        SELECT s.run_id FROM workflow_steps s WHERE s.ended_at IS NULL AND s.posted_at IS NOT NULL)
        """;

    // The jobs of runs that are over have nobody to work for.
    private const string OrphansSql = """
        SELECT j.tenant_id, j.id FROM workflow_steps s JOIN jobs r ON r.id = s.run_id JOIN jobs j ON j.id = s.job_id
         WHERE s.ended_at IS NULL AND s.job_id IS NOT NULL AND r.status >= 6 AND j.status < 6 AND NOT j.cancel_requested LIMIT 500
        """;

    // Or they would be looked at for ever.
    private const string CloseSql = $"""
        UPDATE workflow_steps s SET state = 3, ended_at = now(), output = NULL, error = '{RunStepStore.TooLate}'
         WHERE s.ended_at IS NULL AND (s.run_id, s.name, s.item) IN (
               SELECT o.run_id, o.name, o.item FROM workflow_steps o JOIN jobs r ON r.id = o.run_id LEFT JOIN jobs j ON j.id = o.job_id
                WHERE o.ended_at IS NULL AND (o.job_id IS NOT NULL OR o.posted_at IS NOT NULL) AND r.status >= 6 AND coalesce(j.status, 9) >= 6
                LIMIT 500)
        """;

    /// <returns>Whether any step waits for a job or has its event; otherwise there is nothing to do.</returns>
    public async Task<bool> AnyOpenAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(AnyOpenSql);
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    /// <summary>Lets runs go on whose steps have ended.</summary>
    public async Task WakeAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(WakeSql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Ends the steps of runs that are over, when nobody works for them any more.</summary>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(CloseSql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <returns>Jobs of runs that are over.</returns>
    public async Task<IReadOnlyList<(Guid TenantId, Guid JobId)>> FindOrphansAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(OrphansSql);
        return await command.ReadAllAsync(row => (row.GetGuid(0), row.GetGuid(1)), cancellationToken);
    }
}
