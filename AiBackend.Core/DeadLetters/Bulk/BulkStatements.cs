namespace AiBackend.Core.DeadLetters.Bulk;

/// <summary>What the leader does to a bulk action: each a guarded statement of its own, so that a kill between any two leaves only what the next round finds.</summary>
internal static class BulkStatements
{
    /// <summary>Whoever was served longest ago comes first, so that everybody has turns.</summary>
    public const string RunningSql = """
        SELECT id, kind, canary, model, highest_priority, next_step_at <= now() FROM bulk_actions WHERE status = 0 ORDER BY next_step_at LIMIT @limit
        """;

    /// <summary>An action that failed leaves its place in the line.</summary>
    public const string PutOffSql = """
        UPDATE bulk_actions SET next_step_at = now() + interval '10 seconds' WHERE id = @id AND status::int = 0
        """;

    /// <summary>Begins nothing more for a key that was revoked, or for whoever may not write jobs any more. A key that expired, or was rolled, has done nothing
    /// wrong.</summary>
    public const string RevokeSql = """
        UPDATE bulk_actions a SET status = 3, finished_at = now()
         WHERE a.id = @id AND a.status::int = 0
           AND (EXISTS (SELECT FROM api_keys k WHERE k.key_id = a.created_by AND (k.revoked_at <= now() OR NOT k.scopes && ARRAY['jobs:write', '*']))
             OR a.created_by LIKE 'usr\_%' AND NOT EXISTS (SELECT FROM users u WHERE 'usr_' || replace(u.id::text, '-', '') = a.created_by AND u.disabled_at IS NULL AND u.role >= 1))
        RETURNING true
        """;

    /// <summary>Looks which new jobs have ended, and whether they died as before. A letter without a fingerprint is judged once it has one; what an old letter
    /// died of, that is gone with its week, nobody knows.</summary>
    public const string SettleSql = """
        WITH ended AS (
            SELECT i.job_id, n.fingerprint IS NOT NULL AND n.fingerprint = o.fingerprint AS same_cause
              FROM bulk_items i LEFT JOIN dead_letters o ON o.job_id = i.job_id
              LEFT JOIN jobs j ON j.id = i.new_job_id
              LEFT JOIN dead_letters n ON n.job_id = i.new_job_id
             WHERE i.action_id = @id AND i.state = 1 AND (j.id IS NULL OR j.status::int >= 6)
               AND (n.job_id IS NULL OR n.fingerprint IS NOT NULL)
             LIMIT 1000
        )
        UPDATE bulk_items i SET state = CASE WHEN e.same_cause THEN 4 ELSE 3 END
          FROM ended e WHERE i.action_id = @id AND i.job_id = e.job_id AND i.state = 1
        """;

    public const string StopSql = """
        UPDATE bulk_actions a SET status = 2, finished_at = now(), stopped_by = d.new_job_id
          FROM (SELECT new_job_id FROM bulk_items WHERE action_id = @id AND state = 4 ORDER BY job_id LIMIT 1) d
         WHERE a.id = @id AND a.status::int = 0 AND a.canary
        RETURNING a.stopped_by
        """;

    /// <summary>On to the next stage, or to the end, when nothing of this one is left. Only a canary waits for its jobs.</summary>
    public const string AdvanceSql = """
        UPDATE bulk_actions a
           SET stage = least(a.stage + 1, 3), status = CASE WHEN a.stage = 3 THEN 1 ELSE 0 END,
               finished_at = CASE WHEN a.stage = 3 THEN now() END
         WHERE a.id = @id AND a.status::int = 0
           AND NOT EXISTS (SELECT 1 FROM bulk_items i WHERE i.action_id = a.id AND i.state = 0 AND i.stage = a.stage)
           AND NOT (a.canary AND EXISTS (SELECT 1 FROM bulk_items i WHERE i.action_id = a.id AND i.state IN (1, 4) AND i.stage = a.stage))
        RETURNING a.status
        """;

    // The row of the action is locked first: of two leaders one makes this step, and a cancel comes before it or after it.
    private const string Taken = """
        WITH action AS (
            UPDATE bulk_actions SET next_step_at = now() + make_interval(secs => greatest(1, ceil(rate / 4.0)) / rate)
             WHERE id = @id AND status::int = 0 AND next_step_at <= now()
            RETURNING id, tenant_id, stage, model, created_by, greatest(1, ceil(rate / 4.0))::int AS batch
        ), taken AS MATERIALIZED (
            SELECT i.job_id FROM bulk_items i JOIN action a ON a.id = i.action_id AND a.stage = i.stage
             WHERE i.state = 0 ORDER BY i.job_id LIMIT (SELECT batch FROM action) FOR UPDATE OF i
        )
        """;

    /// <summary>Replays the next letters. Those that somebody closed meanwhile are skipped.</summary>
    public const string ReplaySql = $"""
        {Taken}, numbered AS (
            SELECT t.job_id, f.id AS new_id
              FROM (SELECT job_id, row_number() OVER (ORDER BY job_id) AS n FROM taken) t
              JOIN unnest(@new_ids) WITH ORDINALITY AS f (id, n) ON f.n = t.n
        ), chosen AS MATERIALIZED (
            UPDATE dead_letters d SET replayed_by = n.new_id, replayed_at = now(), closed_by = a.created_by
              FROM numbered n CROSS JOIN action a
             WHERE d.job_id = n.job_id AND d.tenant_id = a.tenant_id AND d.replayed_by IS NULL AND d.discarded_at IS NULL
               AND EXISTS (SELECT 1 FROM job_payloads p WHERE p.job_id = d.job_id)
            RETURNING d.job_id AS old_id, d.replayed_by AS new_id, d.tenant_id, a.model, NULL::text AS input, NULL::text AS title,
                      NULL::text AS trace_parent, NULL::text AS terms
        ), {CopyJobs.Ctes}, items AS (
            UPDATE bulk_items i SET state = CASE WHEN c.new_id IS NULL THEN 2 ELSE 1 END, new_job_id = c.new_id
              FROM taken t LEFT JOIN chosen c ON c.old_id = t.job_id
             WHERE i.action_id = @id AND i.job_id = t.job_id AND i.state = 0
        )
        SELECT id, type FROM inserted
        """;

    /// <summary>Discards the next letters.</summary>
    public const string DiscardSql = $"""
        {Taken}, discarded AS (
            UPDATE dead_letters d SET discarded_at = now(), closed_by = a.created_by
              FROM taken t CROSS JOIN action a
             WHERE d.job_id = t.job_id AND d.tenant_id = a.tenant_id AND d.replayed_by IS NULL AND d.discarded_at IS NULL
            RETURNING d.job_id
        ), items AS (
            UPDATE bulk_items i SET state = CASE WHEN c.job_id IS NULL THEN 2 ELSE 3 END
              FROM taken t LEFT JOIN discarded c ON c.job_id = t.job_id
             WHERE i.action_id = @id AND i.job_id = t.job_id AND i.state = 0
        )
        SELECT job_id, 0::smallint FROM discarded
        """;
}
