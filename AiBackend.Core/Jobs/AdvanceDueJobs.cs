using AiBackend.Core.Database;
using AiBackend.Core.Jobs.Waits;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs;

/// <summary>What time alone does to jobs: scheduled and retrying ones become due, waiting ones pass their deadline, are not answered, or were cancelled.</summary>
public sealed class AdvanceDueJobs(IJobStore store, IJobSignals signals)
{
    private const int MaxBatch = 500;

    /// <returns>How many jobs moved; as many as the batch limit means there may be more.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var events = await store.AdvanceDueAsync(MaxBatch, cancellationToken);
        signals.Committed(events);
        signals.Queued([.. events.Where(record => record.Kind == JobEventKind.State).Select(record => record.JobId)]);
        return events.Count;
    }
}

internal sealed partial class PostgresJobStore
{
    private const string BecomeDueSql = """
        WITH due AS (
            UPDATE jobs SET status = 1, last_seq = last_seq + 1
             WHERE id IN (SELECT id FROM jobs WHERE status IN (0, 5) AND due_at <= now()
                           ORDER BY due_at LIMIT @limit FOR UPDATE SKIP LOCKED)
               AND status IN (0, 5)
            RETURNING id, tenant_id, attempt, priority, pool, crash_count, last_seq
        )
        INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
        SELECT id, last_seq, 1, tenant_id, queued_event(attempt, priority, pool, crash_count) FROM due
        RETURNING job_id, seq, kind, data
        """;

    // A running job's deadline is its worker's business: it knows whether partial output exists.
    private const string ExpireSql = $$"""
        WITH ended AS (
            UPDATE jobs
               SET status = 8, last_seq = last_seq + 1, finished_at = now(), error_code = 'deadline_exceeded', error_class = 'transient',
                   error_message = '{{JobDeadline.Message}}'
             WHERE id IN (SELECT id FROM jobs WHERE status < 6 AND deadline IS NOT NULL AND deadline <= now() AND status <> 2
                           ORDER BY deadline LIMIT @limit FOR UPDATE SKIP LOCKED)
               AND status < 6 AND status <> 2
            RETURNING id, tenant_id, last_seq
        ), {{ExpireWaits.Moot}}, letters AS (
            INSERT INTO dead_letters (job_id, tenant_id, class, code)
            SELECT id, tenant_id, 'transient', 'deadline_exceeded' FROM ended
        )
        INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
        SELECT id, last_seq, 7, tenant_id, '{}' FROM ended
        RETURNING job_id, seq, kind, data
        """;

    // A cancel that was acknowledged while an attempt ran, which then ended with another one to follow: nothing follows.
    private const string CancelSql = $$"""
        WITH ended AS (
            UPDATE jobs
               SET status = 9, last_seq = last_seq + 1, finished_at = now(), error_code = NULL, error_class = NULL, error_message = NULL
             WHERE id IN (SELECT id FROM jobs WHERE cancel_requested AND status < 6 AND status <> 2
                           ORDER BY id LIMIT @limit FOR UPDATE SKIP LOCKED)
               AND cancel_requested AND status < 6 AND status <> 2
            RETURNING id, tenant_id, last_seq
        ), {{ExpireWaits.Moot}}
        INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
        SELECT id, last_seq, 7, tenant_id, '{}' FROM ended
        RETURNING job_id, seq, kind, data
        """;

    // Cancels first: what a caller has ended must not become due.
    private static readonly string[] AdvanceStatements = [CancelSql, BecomeDueSql, ExpireSql, ExpireWaits.Sql];

    public Task<IReadOnlyList<JobEventRecord>> AdvanceDueAsync(int limit, CancellationToken cancellationToken) =>
        TransientRetry.RunAsync(token => AdvanceDueOnceAsync(limit, token), cancellationToken);

    // One round trip and one transaction for all, because an idle system asks several times a second.
    private async Task<IReadOnlyList<JobEventRecord>> AdvanceDueOnceAsync(int limit, CancellationToken cancellationToken)
    {
        await using var connection = await rounds.OpenConnectionAsync(cancellationToken);
        await using var batch = connection.CreateBatch();
        foreach (var sql in AdvanceStatements)
        {
#pragma warning disable CA2100 // Constants of this class.
            var command = new NpgsqlBatchCommand(sql);
#pragma warning restore CA2100
            command.Parameters.AddWithValue("limit", limit);
            if (sql == ExpireWaits.Sql)
            {
                command.Parameters.AddWithValue("schema_version", NpgsqlDbType.Smallint, JobSchema.Version);
            }

            batch.BatchCommands.Add(command);
        }

        await batch.PrepareAsync(cancellationToken);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var events = new List<JobEventRecord>();
        do
        {
            events.AddRange(await reader.ReadEventsAsync(cancellationToken));
        } while (await reader.NextResultAsync(cancellationToken));

        return events;
    }
}
