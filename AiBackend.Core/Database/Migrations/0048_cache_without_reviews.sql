-- As in 0017c_cache.sql, but answers that a review let pass are not shared.
-- What follows from how leaders fare. Every step repeats its guard, and what one round misses the next one does.
CREATE OR REPLACE FUNCTION settle_flights(p_keep interval, p_longest integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Ended: a whole answer of a leader is kept; whoever waits for it goes on below.
    WITH ended AS (
        SELECT f.job_id, f.tenant_id, f.cache_key, f.leads, j.status
          FROM flights f LEFT JOIN jobs j ON j.id = f.job_id
         WHERE j.id IS NULL OR j.status >= 6
           FOR UPDATE OF f SKIP LOCKED
    ), kept AS (
        INSERT INTO cached_answers AS c (tenant_id, cache_key, job_id, schema_version, text, provider, model, model_version, simulated, expires_at)
        SELECT e.tenant_id, e.cache_key, e.job_id, o.schema_version, o.text, a.provider, a.model, a.model_version, a.simulated, now() + p_keep
          FROM ended e JOIN job_outputs o ON o.job_id = e.job_id
         CROSS JOIN LATERAL (SELECT * FROM job_attempts t WHERE t.job_id = e.job_id AND t.provider IS NOT NULL ORDER BY t.attempt DESC LIMIT 1) a
         WHERE e.leads AND e.status = 6 AND a.cache IS NULL AND length(o.text) <= p_longest
           -- What a reviewer said, or nobody until the time was up, is an answer to that job alone.
           AND NOT EXISTS (SELECT FROM job_waits w WHERE w.job_id = e.job_id)
        ON CONFLICT (tenant_id, cache_key) DO UPDATE
           SET job_id = excluded.job_id, schema_version = excluded.schema_version, text = excluded.text, provider = excluded.provider,
               model = excluded.model, model_version = excluded.model_version, simulated = excluded.simulated, stored_at = now(),
               expires_at = excluded.expires_at
    )
    DELETE FROM flights f USING ended e WHERE f.job_id = e.job_id;

    -- A leader that failed for now, or whose worker died, makes place for one that waits.
    UPDATE flights f SET leads = false
      FROM jobs j
     WHERE f.leads AND j.id = f.job_id AND ((j.status = 5 AND j.waiting_reason = 'backoff') OR j.crash_count > f.crashes)
       AND EXISTS (SELECT FROM flights w JOIN jobs q ON q.id = w.job_id AND q.status = 5 AND q.waiting_reason LIKE 'single_flight:%'
                    WHERE w.tenant_id = f.tenant_id AND w.cache_key = f.cache_key AND NOT w.leads);

    BEGIN
        UPDATE flights f SET leads = true
          FROM (SELECT DISTINCT ON (w.tenant_id, w.cache_key) w.job_id, w.tenant_id, w.cache_key
                  FROM flights w JOIN jobs q ON q.id = w.job_id AND q.status = 5 AND q.waiting_reason LIKE 'single_flight:%'
                 WHERE NOT EXISTS (SELECT FROM cached_answers c WHERE c.tenant_id = w.tenant_id AND c.cache_key = w.cache_key AND c.expires_at > now())
                 ORDER BY w.tenant_id, w.cache_key, w.job_id) next
         WHERE f.job_id = next.job_id
           AND NOT EXISTS (SELECT FROM flights l WHERE l.tenant_id = next.tenant_id AND l.cache_key = next.cache_key AND l.leads);
    EXCEPTION WHEN unique_violation THEN
        NULL; -- A job that has just begun leads.
    END;

    UPDATE jobs j SET due_at = now()
      FROM flights f
     WHERE j.id = f.job_id AND j.status = 5 AND j.due_at > now() AND j.waiting_reason LIKE 'single_flight:%'
       AND (f.leads OR EXISTS (SELECT FROM cached_answers c
                                WHERE c.tenant_id = f.tenant_id AND c.cache_key = f.cache_key AND c.expires_at > now()));
END $$;
