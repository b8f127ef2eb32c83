using System.Security.Cryptography;
using System.Text;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using AiBackend.Core.Faults;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Jobs.Waits;

/// <summary>How an answer to a waiting job was taken.</summary>
public abstract record AnswerOutcome
{
    private AnswerOutcome() { }

    /// <summary>It counts, and the job has moved on.</summary>
    /// <param name="Status">Where to.</param>
    public sealed record Taken(JobStatus Status) : AnswerOutcome;

    /// <summary>That wait is over: answered before, timed out, cancelled, or the attempt never asked this.</summary>
    /// <param name="Status">Where the job stands.</param>
    public sealed record NotWaiting(JobStatus Status) : AnswerOutcome;

    /// <summary>The tenant has no such job.</summary>
    public sealed record NotFound : AnswerOutcome;
}

/// <summary>WaitingForTool → Queued; WaitingForReview → Queued, Completed or Failed. Each wait takes one answer.</summary>
/// <remarks>
/// The guard is the status and the attempt that asked: of answers that arrive together one moves the job, the others are told so. A
/// reviewer's answer also counts only for the version that was seen, and while nobody else has the review in hand.
/// </remarks>
public sealed class AnswerWait(NpgsqlDataSource database, IJobStore jobs, IJobSignals signals)
{
    // Locked first, the job before its wait as whoever else locks both, so that a claim made meanwhile is seen by the guard.
    // A result that the reviewer edited, or a text that no longer counts, is told to readers of the log before the job moves on.
    private const string Sql = """
        WITH asked AS MATERIALIZED (
            SELECT j.id, w.kind, w.proposal
              FROM jobs j JOIN job_waits w ON w.job_id = j.id AND w.attempt = j.attempt
             WHERE j.id = @job_id AND j.tenant_id = @tenant_id AND j.status::int = @status AND j.attempt = @attempt
               AND NOT j.cancel_requested AND (j.deadline IS NULL OR j.deadline > now())
               AND (@version IS NULL OR w.version = @version)
               AND (@by IS NULL OR w.claimed_by IS NULL OR w.claimed_by = @by OR w.claimed_until <= now())
               FOR UPDATE OF j, w
        ), answered AS (
            UPDATE jobs j
               SET status = CASE @answer WHEN 1 THEN 1 WHEN 2 THEN 6 ELSE 8 END,
                   last_seq = j.last_seq + CASE WHEN @answer = 2 AND @text IS NULL OR w.kind = 1 THEN 1 ELSE 2 END,
                   due_at = now(), finished_at = CASE WHEN @answer <> 1 THEN now() END,
                   error_code = CASE WHEN @answer = 3 THEN 'review_rejected' END,
                   error_class = CASE WHEN @answer = 3 THEN 'contract_violation' END,
                   error_message = CASE WHEN @answer = 3 THEN 'A reviewer refused the result. Change the input, then submit it again.' END
              FROM asked w
             WHERE j.id = w.id AND j.status::int = @status AND j.attempt = @attempt AND NOT j.cancel_requested
            RETURNING j.id, j.tenant_id, j.status, j.attempt, j.priority, j.pool, j.crash_count, j.last_seq, w.kind, coalesce(@text, w.proposal) AS text
        ), waits AS (
            UPDATE job_waits w
               SET answered_at = now(), answer = @answer, answer_data = @data, answered_by = @by, edited_sha256 = @edited_sha256,
                   overridden = @overridden, version = w.version + 1
              FROM answered a WHERE w.job_id = a.id AND w.attempt = a.attempt
        ), outputs AS (
            INSERT INTO job_outputs (job_id, tenant_id, schema_version, text)
            SELECT id, tenant_id, @schema_version, text FROM answered WHERE @answer = 2
        ), letters AS (
            INSERT INTO dead_letters (job_id, tenant_id, class, code)
            SELECT id, tenant_id, 'contract_violation', 'review_rejected' FROM answered WHERE @answer = 3
        ), events AS (
            INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
            SELECT id, last_seq - 1, 3, tenant_id, json_build_object('attempt', attempt, 'text', text)::text
              FROM answered WHERE @answer = 2 AND @text IS NOT NULL
            UNION ALL
            SELECT id, last_seq - 1, 4, tenant_id, '{"attempt":' || attempt || ',"reason":"' || CASE @answer WHEN 1 THEN 'review_continued' ELSE 'review_rejected' END || '"}'
              FROM answered WHERE @answer <> 2 AND kind = 2
            UNION ALL
            SELECT id, last_seq, CASE WHEN @answer = 1 THEN 1 ELSE 7 END, tenant_id,
                   CASE WHEN @answer = 1 THEN queued_event(attempt, priority, pool, crash_count) ELSE '{}' END
              FROM answered
            RETURNING job_id, seq, kind, data
        )
        SELECT a.status, e.job_id, e.seq, e.kind, e.data FROM answered a JOIN events e ON true ORDER BY e.seq
        """;

    /// <summary>The tool's result is here: the job goes back to the queue, and its next attempt finds the result.</summary>
    /// <param name="wait">Which wait.</param>
    /// <param name="result">JSON.</param>
    /// <param name="cancellationToken">Ends the call, not what it may have done.</param>
    public Task<AnswerOutcome> ToolAnsweredAsync(WaitKey wait, string result, CancellationToken cancellationToken) =>
        RunAsync(wait, JobStatus.WaitingForTool, new(WaitAnswer.Continued) { Words = result }, cancellationToken);

    /// <summary>The reviewer wants another attempt, which finds what the reviewer said.</summary>
    /// <inheritdoc cref="ToolAnsweredAsync"/>
    public Task<AnswerOutcome> ReviewContinuesAsync(WaitKey wait, string? words, CancellationToken cancellationToken) =>
        ReviewedAsync(wait, new(WaitAnswer.Continued) { Words = words }, cancellationToken);

    /// <summary>The proposed result is the job's.</summary>
    /// <param name="wait">Which wait.</param>
    /// <param name="editedText">The result in the reviewer's words; null takes it as proposed.</param>
    /// <param name="words">JSON; null says nothing.</param>
    /// <param name="cancellationToken">Ends the call, not what it may have done.</param>
    public Task<AnswerOutcome> ReviewAcceptsAsync(WaitKey wait, string? editedText, string? words, CancellationToken cancellationToken) =>
        ReviewedAsync(wait, new(WaitAnswer.Accepted) { Text = editedText, Words = words }, cancellationToken);

    /// <summary>The proposed result is refused, and the job fails.</summary>
    /// <inheritdoc cref="ToolAnsweredAsync"/>
    public Task<AnswerOutcome> ReviewRejectsAsync(WaitKey wait, string? words, CancellationToken cancellationToken) =>
        ReviewedAsync(wait, new(WaitAnswer.Rejected) { Words = words }, cancellationToken);

    /// <summary>A person has decided.</summary>
    /// <param name="wait">Which wait.</param>
    /// <param name="reply">What.</param>
    /// <param name="cancellationToken">Ends the call, not what it may have done.</param>
    public Task<AnswerOutcome> ReviewedAsync(WaitKey wait, ReviewReply reply, CancellationToken cancellationToken) =>
        RunAsync(wait, JobStatus.WaitingForReview, reply, cancellationToken);

    private async Task<AnswerOutcome> RunAsync(WaitKey wait, JobStatus from, ReviewReply reply, CancellationToken cancellationToken)
    {
        if (await TransientRetry.RunAsync(token => AnswerOnceAsync(wait, from, reply, token), cancellationToken) is { } moved)
        {
            // The job moves on without what follows: readers look for themselves, and so does the dispatcher.
            FaultPoints.Hit(FaultPoint.K21);
            signals.Committed(moved.Events);
            signals.Queued(moved.Status == JobStatus.Queued ? [wait.JobId] : []);
            return new AnswerOutcome.Taken(moved.Status);
        }

        return await jobs.FindStatusAsync(wait.TenantId, wait.JobId, cancellationToken) is { } now
            ? new AnswerOutcome.NotWaiting(now)
            : new AnswerOutcome.NotFound();
    }

    /// <returns>Null when the guard did not hold.</returns>
    private async Task<(JobStatus Status, List<JobEventRecord> Events)?> AnswerOnceAsync(
        WaitKey wait,
        JobStatus from,
        ReviewReply reply,
        CancellationToken cancellationToken
    )
    {
        await using var batch = database.CreateAuditedFor([wait.TenantId], Sql, out var command);
        command.Parameters.AddWithValue("job_id", wait.JobId);
        command.Parameters.AddWithValue("tenant_id", wait.TenantId);
        command.Parameters.AddWithValue("attempt", NpgsqlDbType.Smallint, (short)wait.Attempt);
        command.Parameters.AddWithValue("status", NpgsqlDbType.Smallint, (short)from);
        command.Parameters.AddWithValue("answer", NpgsqlDbType.Smallint, (short)reply.Answer);
        command.Parameters.AddWithValue("text", NpgsqlDbType.Text, (object?)reply.Text ?? DBNull.Value);
        command.Parameters.AddWithValue("data", NpgsqlDbType.Text, (object?)reply.Words ?? DBNull.Value);
        command.Parameters.AddWithValue("by", NpgsqlDbType.Text, (object?)reply.By ?? DBNull.Value);
        command.Parameters.AddWithValue("version", NpgsqlDbType.Integer, (object?)reply.Version ?? DBNull.Value);
        command.Parameters.AddWithValue("edited_sha256", NpgsqlDbType.Text, (object?)HashOf(reply.Text) ?? DBNull.Value);
        command.Parameters.AddWithValue("overridden", NpgsqlDbType.Boolean, reply.Overrides);
        command.Parameters.AddWithValue("schema_version", NpgsqlDbType.Smallint, JobSchema.Version);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var events = new List<JobEventRecord>();
        JobStatus status = default;
        while (await reader.ReadAsync(cancellationToken))
        {
            status = (JobStatus)reader.GetInt16(0);
            events.Add(reader.ReadEvent(1));
        }

        return events.Count > 0 ? (status, events) : null;
    }

    private static string? HashOf(string? text) =>
        text is null ? null : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
