-- How many jobs of a tenant, and of a key, may run at once (AiBackend.Core/Queue/Limits). Null is no limit of its own. Expand only.
ALTER TABLE tenants ADD COLUMN max_running bigint CHECK (max_running > 0);
ALTER TABLE api_keys ADD COLUMN max_running bigint CHECK (max_running > 0);

-- Looked at by every claim: that there is none costs next to nothing, however many tenants and keys there are. By the limit, so that who asks for the
-- first in this order is sent here, also before anybody has analysed the new columns.
CREATE INDEX tenants_running ON tenants (max_running) WHERE max_running IS NOT NULL;
CREATE INDEX api_keys_running ON api_keys (max_running) WHERE max_running IS NOT NULL;

DROP TRIGGER audit ON tenants;
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF slug, name, tier, max_queued, max_running, reserved_slots, organisation_id, disabled_at, content_days, deletion_at
    ON tenants DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('tenant', '{slug}', '{}');
DROP TRIGGER audit ON api_keys;
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF tenant_id, name, hash, scopes, expires_at, revoked_at, highest_priority, allowed_models, allowed_networks,
        requests_per_minute, tokens_per_minute, max_queued, max_running, replaced_by ON api_keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('key', '{key_id}', '{hash,last_used_at}');

-- Jobs that wait because as many run as may. A table of its own, so that no index of all jobs has to be built or kept for them.
CREATE TABLE jobs_over_limit (
    job_id      uuid        PRIMARY KEY,
    tenant_id   uuid        NOT NULL,
    subject     text        NOT NULL,       -- tenant:<id> or key:<public id>, whose limit it is
    priority    smallint    NOT NULL,
    reason      text,                       -- what the job waited for before, and will again: its place at a deployment is in it
    released_at timestamptz                 -- since when it may be claimed again; null while it waits
);
CREATE INDEX jobs_over_limit_line ON jobs_over_limit (subject, priority, job_id) WHERE released_at IS NULL;
CREATE INDEX jobs_over_limit_released ON jobs_over_limit (subject) WHERE released_at IS NOT NULL;
SELECT raise_tenant_wall('jobs_over_limit');

-- Whether an operator holds such a job back: the condition of HeldJobs.
CREATE FUNCTION is_held(p_pool text, p_tenant uuid, p_model text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM controls c
                    WHERE c.mode = 1 AND (c.kind = 0 AND c.name = p_pool OR c.kind = 1 AND c.tenant_id = p_tenant OR c.kind = 2 AND c.name = p_model))
$$;

-- No more are counted than matter.
CREATE FUNCTION count_running(p_subject text, p_most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    key_tenant uuid;
BEGIN
    IF p_subject LIKE 'tenant:%' THEN
        RETURN (SELECT count(*) FROM (SELECT FROM jobs j WHERE j.status = 2 AND j.tenant_id = substr(p_subject, 8)::uuid LIMIT p_most) r);
    END IF;
    SELECT k.tenant_id INTO key_tenant FROM api_keys k WHERE k.key_id = substr(p_subject, 5);
    RETURN (SELECT count(*) FROM (SELECT FROM jobs j JOIN job_payloads p ON p.job_id = j.id AND p.key_id = substr(p_subject, 5)
                                   WHERE j.status = 2 AND j.tenant_id = key_tenant LIMIT p_most) r);
END $$;

-- Of jobs that a worker is about to claim, those that it may; those that a limit keeps wait from now on as 'retrying', and their events come with the
-- answer. Claims that meet one limit stand in line for it until their commit, and each statement of a volatile function sees what was committed
-- before: so together they never pass it. Where there are limits, what the claim itself would refuse is left out here: it takes nobody's place, and
-- is not claimed past a limit because the claim, which looked earlier, sees it otherwise.
CREATE FUNCTION claimable(p_ids uuid[], p_types smallint[], p_schema_version smallint, p_alone boolean, p_pool text)
    RETURNS TABLE (claim_id uuid, put_off_seq integer, put_off_event text) LANGUAGE plpgsql ROWS 10 AS $$
DECLARE
    one record;
    subjects text[] := '{}';
    room bigint[] := '{}';
    -- The first of each line.
    ahead_priority smallint;
    ahead_id uuid;
    ahead_priorities smallint[] := '{}';
    ahead_ids uuid[] := '{}';
    admitted uuid[] := '{}';
    kept uuid[] := '{}';
    keepers text[] := '{}';
    reasons text[] := '{}';
    keeper text;
BEGIN
    IF NOT EXISTS (SELECT FROM (SELECT FROM tenants WHERE max_running IS NOT NULL ORDER BY max_running LIMIT 1) t)
       AND NOT EXISTS (SELECT FROM (SELECT FROM api_keys WHERE max_running IS NOT NULL ORDER BY max_running LIMIT 1) k) THEN
        FOREACH claim_id IN ARRAY p_ids LOOP
            RETURN NEXT;
        END LOOP;
        RETURN;
    END IF;
    -- In one order: two claims never wait for each other.
    FOR one IN
        SELECT 'tenant:' || t.id AS subject, t.max_running AS most
          FROM unnest(p_ids) i (id) JOIN jobs j ON j.id = i.id JOIN tenants t ON t.id = j.tenant_id WHERE j.status::int = 1 AND t.max_running IS NOT NULL
        UNION
        SELECT 'key:' || k.key_id, k.max_running
          FROM unnest(p_ids) i (id) JOIN job_payloads p ON p.job_id = i.id JOIN api_keys k ON k.key_id = p.key_id WHERE k.max_running IS NOT NULL
         ORDER BY 1
    LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended('running/' || one.subject, 79));
        subjects := subjects || one.subject;
        -- Whoever was let go on and is claimed by others has its place.
        room := room || (one.most - count_running(one.subject, one.most)
                         - (SELECT count(*) FROM jobs_over_limit o
                             WHERE o.subject = one.subject AND o.released_at IS NOT NULL AND o.released_at > now() - interval '10 seconds' AND o.job_id <> ALL (p_ids)));
        SELECT o.priority, o.job_id INTO ahead_priority, ahead_id
          FROM jobs_over_limit o JOIN jobs j ON j.id = o.job_id
         WHERE o.subject = one.subject AND o.released_at IS NULL AND j.status::int = 5 AND NOT is_held(j.pool, j.tenant_id, j.model)
         ORDER BY o.priority, o.job_id LIMIT 1;
        ahead_priorities := array_append(ahead_priorities, ahead_priority);
        ahead_ids := array_append(ahead_ids, ahead_id);
    END LOOP;
    FOR one IN
        SELECT j.id, j.priority, j.waiting_reason, array_position(subjects, 'tenant:' || j.tenant_id) AS of_tenant, array_position(subjects, 'key:' || p.key_id) AS of_key,
               EXISTS (SELECT FROM jobs_over_limit o WHERE o.job_id = j.id AND o.released_at IS NOT NULL) AS released
          FROM unnest(p_ids) i (id) JOIN jobs j ON j.id = i.id JOIN job_payloads p ON p.job_id = i.id AND p.schema_version <= p_schema_version
         WHERE j.status::int = 1 AND j.type = ANY (p_types) AND NOT j.cancel_requested AND (j.deadline IS NULL OR j.deadline > now())
           AND (j.crash_count >= 2) = p_alone AND (p_alone OR j.pool = p_pool) AND NOT is_held(j.pool, j.tenant_id, j.model)
         ORDER BY j.priority, j.id
    LOOP
        keeper := CASE
            WHEN room[one.of_tenant] <= 0 OR NOT one.released AND (ahead_priorities[one.of_tenant], ahead_ids[one.of_tenant]) < (one.priority, one.id)
            THEN subjects[one.of_tenant]
            WHEN room[one.of_key] <= 0 OR NOT one.released AND (ahead_priorities[one.of_key], ahead_ids[one.of_key]) < (one.priority, one.id)
            THEN subjects[one.of_key] END;
        IF keeper IS NOT NULL THEN
            kept := kept || one.id;
            keepers := keepers || keeper;
            reasons := array_append(reasons, one.waiting_reason::text);
            CONTINUE;
        END IF;
        admitted := admitted || one.id;
        IF one.of_tenant IS NOT NULL THEN
            room[one.of_tenant] := room[one.of_tenant] - 1;
        END IF;
        IF one.of_key IS NOT NULL THEN
            room[one.of_key] := room[one.of_key] - 1;
        END IF;
    END LOOP;
    IF cardinality(admitted) > 0 THEN
        DELETE FROM jobs_over_limit o WHERE o.job_id = ANY (admitted);
    END IF;
    FOREACH claim_id IN ARRAY admitted LOOP
        RETURN NEXT;
    END LOOP;
    IF cardinality(kept) = 0 THEN
        RETURN;
    END IF;
    -- The leader lets them go on (release_running); the time, not the same for all, is for what it might have missed.
    RETURN QUERY
    WITH put_off AS (
        UPDATE jobs j SET status = 5, waiting_reason = 'running_limit:' || split_part(k.keeper, ':', 1), last_seq = j.last_seq + 1,
               due_at = now() + interval '1 day' + (hashtext(j.id::text) & 16383) * interval '1 second'
          FROM unnest(kept, keepers, reasons) k (id, keeper, reason)
         WHERE j.id = k.id AND j.status::int = 1
        RETURNING j.id, j.tenant_id, j.priority, j.attempt, j.last_seq, j.waiting_reason, k.keeper, k.reason
    ), in_line AS (
        INSERT INTO jobs_over_limit AS o (job_id, tenant_id, subject, priority, reason)
        SELECT p.id, p.tenant_id, p.keeper, p.priority, p.reason FROM put_off p ORDER BY p.id
            ON CONFLICT ON CONSTRAINT jobs_over_limit_pkey DO UPDATE
               SET subject = excluded.subject, released_at = NULL, reason = CASE WHEN excluded.reason LIKE 'running_limit:%' THEN o.reason ELSE excluded.reason END
    )
    INSERT INTO job_events AS e (job_id, seq, kind, tenant_id, data)
    SELECT p.id, p.last_seq, 1, p.tenant_id, '{"status":"retrying","attempt":' || p.attempt || ',"waiting_reason":"' || p.waiting_reason || '"}' FROM put_off p
    RETURNING e.job_id, e.seq, e.data;
END $$;

-- Lets as many go on as there is room for: the leader's part, four times a second. Answers how many are due now.
CREATE FUNCTION release_running(p_limit integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    one record;
    room bigint;
    n bigint;
    released bigint := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM jobs_over_limit) THEN
        RETURN 0;
    END IF;
    -- Whoever was let go on, and ended or is held back since, waits here no more. One that is not claimed for long holds up no others.
    DELETE FROM jobs_over_limit d
     WHERE d.job_id IN (SELECT o.job_id FROM jobs_over_limit o
                         WHERE o.released_at IS NOT NULL
                           AND (o.released_at < now() - interval '10 seconds'
                                OR NOT EXISTS (SELECT FROM jobs j WHERE j.id = o.job_id AND j.status::int IN (1, 5) AND NOT is_held(j.pool, j.tenant_id, j.model)))
                           FOR UPDATE SKIP LOCKED);
    FOR one IN
        WITH RECURSIVE waiting AS (
            SELECT min(o.subject) AS subject FROM jobs_over_limit o WHERE o.released_at IS NULL
            UNION ALL
            SELECT (SELECT min(o.subject) FROM jobs_over_limit o WHERE o.released_at IS NULL AND o.subject > w.subject) FROM waiting w WHERE w.subject IS NOT NULL
        )
        SELECT w.subject, coalesce(t.max_running, k.max_running) AS most
          FROM waiting w
          LEFT JOIN tenants t ON 'tenant:' || t.id = w.subject AND t.max_running IS NOT NULL
          LEFT JOIN api_keys k ON 'key:' || k.key_id = w.subject AND k.max_running IS NOT NULL
         WHERE w.subject IS NOT NULL
    LOOP
        -- Of those in front, the ones that were cancelled or too late meanwhile, and those that an operator holds back: these wait in the queue as all
        -- that are held do, and keep their place, which is by their ids. As long as all in front are such.
        FOR batch IN 1..20 LOOP
            WITH gone AS (
                DELETE FROM jobs_over_limit d
                 WHERE d.job_id IN (SELECT o.job_id FROM jobs_over_limit o WHERE o.released_at IS NULL AND o.subject = one.subject ORDER BY o.priority, o.job_id LIMIT p_limit)
                   AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = d.job_id AND j.status::int = 5 AND j.waiting_reason LIKE 'running_limit:%'
                                                        AND NOT is_held(j.pool, j.tenant_id, j.model))
                RETURNING d.job_id, d.reason
            ), held AS (
                UPDATE jobs j SET due_at = now(), waiting_reason = g.reason FROM gone g
                 WHERE j.id = g.job_id AND j.status::int = 5 AND j.waiting_reason LIKE 'running_limit:%'
            )
            SELECT count(*) INTO n FROM gone;
            EXIT WHEN n < p_limit;
        END LOOP;
        room := p_limit;
        IF one.most IS NOT NULL THEN
            room := least(room, one.most - count_running(one.subject, one.most)
                                - (SELECT count(*) FROM jobs_over_limit o WHERE o.released_at IS NOT NULL AND o.subject = one.subject));
        END IF;
        CONTINUE WHEN room <= 0;
        WITH next AS (
            SELECT o.job_id, o.reason FROM jobs_over_limit o JOIN jobs j ON j.id = o.job_id
             WHERE o.released_at IS NULL AND o.subject = one.subject AND j.status::int = 5 AND j.waiting_reason LIKE 'running_limit:%'
               AND NOT is_held(j.pool, j.tenant_id, j.model)
             ORDER BY o.priority, o.job_id LIMIT room
        ), due AS (
            UPDATE jobs j SET due_at = now(), waiting_reason = x.reason FROM next x
             WHERE j.id = x.job_id AND j.status::int = 5
            RETURNING j.id
        )
        UPDATE jobs_over_limit o SET released_at = now() FROM due d WHERE o.job_id = d.id;
        GET DIAGNOSTICS n = ROW_COUNT;
        released := released + n;
    END LOOP;
    RETURN released;
END $$;
