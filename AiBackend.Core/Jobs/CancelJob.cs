using AiBackend.Core.Database;
using AiBackend.Core.Jobs.Waits;

namespace AiBackend.Core.Jobs;

/// <summary>How a cancel request ended.</summary>
public abstract record CancelOutcome
{
    private CancelOutcome() { }

    /// <summary>The job has ended as cancelled, or its worker has been told to stop it.</summary>
    public sealed record Accepted : CancelOutcome;

    /// <summary>The job had ended before.</summary>
    /// <param name="Status">How.</param>
    public sealed record AlreadyEnded(JobStatus Status) : CancelOutcome;

    /// <summary>The tenant has no such job.</summary>
    public sealed record NotFound : CancelOutcome;
}

/// <summary>Any waiting status → Cancelled; a running job is marked, and its lease holder applies the mark.</summary>
public sealed class CancelJob(IJobStore store, IJobSignals signals)
{
    /// <summary>Asks for one job to end.</summary>
    public async Task<CancelOutcome> RunAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        if (await store.CancelAsync(tenantId, jobId, cancellationToken) is { } cancelled)
        {
            Announce(jobId, cancelled.Status, cancelled.LastSeq);
            return new CancelOutcome.Accepted();
        }

        return await store.FindStatusAsync(tenantId, jobId, cancellationToken) is { } status
            ? new CancelOutcome.AlreadyEnded(status)
            : new CancelOutcome.NotFound();
    }

    private void Announce(Guid jobId, JobStatus status, int seq)
    {
        if (status == JobStatus.Processing)
        {
            signals.CancelRequested(jobId);
        }
        else
        {
            signals.Committed([new JobEventRecord(jobId, seq, JobEventKind.Final, JobEventPayload.Final)]);
        }
    }
}

internal sealed partial class PostgresJobStore
{
    private const string CancelOneSql = $$"""
        WITH ended AS (
            UPDATE jobs
               SET cancel_requested = true,
                   status = CASE WHEN status = 2 THEN 2 ELSE 9 END,
                   last_seq = last_seq + CASE WHEN status = 2 THEN 0 ELSE 1 END,
                   finished_at = CASE WHEN status = 2 THEN NULL ELSE now() END,
                   error_code = NULL, error_class = NULL, error_message = NULL
             WHERE id = @id AND tenant_id = @tenant_id AND status::int < 6
            RETURNING id, tenant_id, status, last_seq
        ), {{ExpireWaits.Moot}}, events AS (
            INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
            SELECT id, last_seq, 7, tenant_id, '{}' FROM ended WHERE status = 9
        )
        SELECT status, last_seq FROM ended
        """;

    private const string StatusSql = "SELECT status FROM jobs WHERE id = @id AND tenant_id = @tenant_id";

    public Task<JobHead?> CancelAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken) =>
        TransientRetry.RunAsync(token => CancelOnceAsync(tenantId, jobId, token), cancellationToken);

    private async Task<JobHead?> CancelOnceAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, CancelOneSql);
        command.Parameters.AddWithValue("id", jobId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? new JobHead((JobStatus)reader.GetInt16(0), reader.GetInt32(1)) : null;
    }

    public async Task<JobStatus?> FindStatusAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, StatusSql);
        command.Parameters.AddWithValue("id", jobId);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return await command.ExecuteScalarAsync(cancellationToken) is short status ? (JobStatus)status : null;
    }
}
