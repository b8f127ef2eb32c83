namespace AiBackend.Core.Jobs.Waits;

/// <summary>WaitingForTool or WaitingForReview → whatever its question said, for waits that nobody answered in time.</summary>
internal static class ExpireWaits
{
    /// <summary>The part of a statement that closes what its <c>ended (id)</c> still asked: after a job's end nothing else would.</summary>
    public const string Moot = """
        moot AS (
            UPDATE job_waits w SET answered_at = now(), answer = 5, version = w.version + 1 FROM ended e WHERE w.job_id = e.id AND w.answered_at IS NULL
        )
        """;

    // Jobs are locked before waits, as an answer does it. A wait whose job has ended is closed, or it would be found for ever.
    public const string Sql = """
        WITH due AS (
            SELECT job_id, attempt, kind, on_timeout, proposal
              FROM job_waits WHERE answered_at IS NULL AND timeout_at <= now() ORDER BY timeout_at LIMIT @limit
        ), expired AS (
            UPDATE jobs j
               SET status = CASE d.on_timeout WHEN 2 THEN 1 WHEN 3 THEN 6 ELSE 8 END,
                   last_seq = j.last_seq + CASE WHEN d.on_timeout <> 3 AND d.kind = 2 THEN 2 ELSE 1 END,
                   due_at = now(), finished_at = CASE WHEN d.on_timeout <> 2 THEN now() END,
                   error_code = CASE d.on_timeout WHEN 1 THEN 'wait_timeout' WHEN 4 THEN 'review_rejected' END,
                   error_class = CASE d.on_timeout WHEN 1 THEN 'transient' WHEN 4 THEN 'contract_violation' END,
                   error_message = CASE
                       WHEN d.on_timeout = 4 THEN 'Nobody reviewed the result in time, so it is refused. Change the input, or submit the job again when somebody can.'
                       WHEN d.on_timeout = 1 AND d.kind = 1 THEN 'The tool did not answer in time. Submit the job again when it does.'
                       WHEN d.on_timeout = 1 THEN 'Nobody reviewed the result in time. Submit the job again when somebody can.' END
              FROM due d
             WHERE j.id = d.job_id AND j.attempt = d.attempt AND j.status::int IN (3, 4) AND NOT j.cancel_requested
               AND (j.deadline IS NULL OR j.deadline > now())
            RETURNING j.id, j.tenant_id, j.status, j.attempt, j.priority, j.pool, j.crash_count, j.last_seq, d.kind, d.on_timeout, d.proposal
        ), waits AS (
            UPDATE job_waits w SET answered_at = now(), answer = CASE WHEN e.id IS NULL THEN 5 ELSE 4 END, version = w.version + 1
              FROM due d LEFT JOIN expired e ON e.id = d.job_id AND e.attempt = d.attempt
             WHERE w.job_id = d.job_id AND w.attempt = d.attempt AND w.answered_at IS NULL
        ), outputs AS (
            INSERT INTO job_outputs (job_id, tenant_id, schema_version, text)
            SELECT id, tenant_id, @schema_version, proposal FROM expired WHERE on_timeout = 3
        ), letters AS (
            INSERT INTO dead_letters (job_id, tenant_id, class, code)
            SELECT id, tenant_id, CASE on_timeout WHEN 1 THEN 'transient' ELSE 'contract_violation' END,
                   CASE on_timeout WHEN 1 THEN 'wait_timeout' ELSE 'review_rejected' END
              FROM expired WHERE on_timeout IN (1, 4)
        ), events AS (
            INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
            SELECT id, last_seq - 1, 4, tenant_id, '{"attempt":' || attempt || ',"reason":"wait_timeout"}'
              FROM expired WHERE on_timeout <> 3 AND kind = 2
            UNION ALL
            SELECT id, last_seq, CASE WHEN on_timeout = 2 THEN 1 ELSE 7 END, tenant_id,
                   CASE WHEN on_timeout = 2 THEN queued_event(attempt, priority, pool, crash_count) ELSE '{}' END
              FROM expired
            RETURNING job_id, seq, kind, data
        )
        SELECT job_id, seq, kind, data FROM events ORDER BY job_id, seq
        """;
}
