-- Answers that equal requests of one tenant may share (AiBackend.Core/Cache). Only jobs that ask for it have a key.
ALTER TABLE job_payloads ADD COLUMN cache_key bytea;   -- SHA-256 of everything the answer depends on
ALTER TABLE job_attempts ADD COLUMN cache text;        -- hit, or follower; null when a provider was asked

CREATE TABLE cached_answers (
    tenant_id       uuid        NOT NULL,
    cache_key       bytea       NOT NULL,
    job_id          uuid        NOT NULL,   -- whose answer it was
    schema_version  smallint    NOT NULL,
    text            text        NOT NULL,
    provider        text        NOT NULL,
    model           text        NOT NULL,
    model_version   text,
    simulated       boolean     NOT NULL,
    stored_at       timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, cache_key)
);
CREATE INDEX cached_answers_expiry ON cached_answers (expires_at);         -- the pruner
CREATE INDEX cached_answers_age ON cached_answers (tenant_id, stored_at);  -- the bound of each tenant

-- One row per job that asks with a key and has not ended. Of those with the same key one leads: it alone asks a provider.
CREATE TABLE flights (
    job_id      uuid     PRIMARY KEY,
    tenant_id   uuid     NOT NULL,
    cache_key   bytea    NOT NULL,
    leads       boolean  NOT NULL,
    crashes     smallint NOT NULL   -- of the job when it entered: more of them mean that its worker has died since
);
CREATE UNIQUE INDEX flights_leader ON flights (tenant_id, cache_key) WHERE leads;
CREATE INDEX flights_by_key ON flights (tenant_id, cache_key, job_id);

-- What a job that begins has to do: 1 ask and lead, 2 wait for the leader, 3 take the answer.
CREATE FUNCTION enter_flight(p_job uuid, p_tenant uuid, p_key bytea, p_crashes smallint, p_version smallint)
RETURNS TABLE (role smallint, leader uuid, followed boolean, answer text, provider text, model text, model_version text, simulated boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    lead uuid;
    was_in boolean := EXISTS (SELECT FROM flights f WHERE f.job_id = p_job AND NOT f.leads);
BEGIN
    RETURN QUERY SELECT 3::smallint, a.job_id, was_in, a.text, a.provider, a.model, a.model_version, a.simulated
                   FROM cached_answers a
                  WHERE a.tenant_id = p_tenant AND a.cache_key = p_key AND a.expires_at > now() AND a.schema_version <= p_version;
    IF FOUND THEN
        RETURN;
    END IF;
    INSERT INTO flights AS f (job_id, tenant_id, cache_key, leads, crashes) VALUES (p_job, p_tenant, p_key, false, p_crashes)
        ON CONFLICT (job_id) DO UPDATE SET crashes = excluded.crashes;
    BEGIN
        UPDATE flights f SET leads = true
         WHERE f.job_id = p_job
           AND NOT EXISTS (SELECT FROM flights l WHERE l.tenant_id = p_tenant AND l.cache_key = p_key AND l.leads);
    EXCEPTION WHEN unique_violation THEN
        NULL; -- Another one was faster.
    END;
    SELECT l.job_id INTO lead FROM flights l WHERE l.tenant_id = p_tenant AND l.cache_key = p_key AND l.leads;
    RETURN QUERY SELECT (CASE WHEN lead = p_job THEN 1 ELSE 2 END)::smallint, lead, was_in,
                        NULL::text, NULL::text, NULL::text, NULL::text, NULL::boolean;
END $$;

-- What follows from how leaders fare. Every step repeats its guard, and what one round misses the next one does.
CREATE FUNCTION settle_flights(p_keep interval, p_longest integer) RETURNS void LANGUAGE plpgsql AS $$
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
