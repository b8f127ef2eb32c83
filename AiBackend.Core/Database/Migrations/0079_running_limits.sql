-- How many jobs of a tenant, and of a key, may run at once (AiBackend.Core/Queue/Limits). Null is no limit of its own. Expand only.
ALTER TABLE tenants ADD COLUMN max_running bigint CHECK (max_running > 0);
ALTER TABLE api_keys ADD COLUMN max_running bigint CHECK (max_running > 0);

-- Looked at by every claim: that there is none costs next to nothing, however many tenants and keys there are.
CREATE INDEX tenants_running ON tenants (id) INCLUDE (max_running) WHERE max_running IS NOT NULL;
CREATE INDEX api_keys_running ON api_keys (key_id) INCLUDE (max_running) WHERE max_running IS NOT NULL;

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
    released_at timestamptz                 -- since when it may be claimed again; null while it waits
);
CREATE INDEX jobs_over_limit_line ON jobs_over_limit (subject, priority, job_id) WHERE released_at IS NULL;
CREATE INDEX jobs_over_limit_released ON jobs_over_limit (subject) WHERE released_at IS NOT NULL;
SELECT raise_tenant_wall('jobs_over_limit');

CREATE FUNCTION count_running(p_subject text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    IF p_subject LIKE 'tenant:%' THEN
        RETURN (SELECT count(*) FROM jobs WHERE status = 2 AND tenant_id = substr(p_subject, 8)::uuid);
    END IF;
    RETURN (SELECT count(*) FROM jobs j JOIN job_payloads p ON p.job_id = j.id AND p.key_id = substr(p_subject, 5) WHERE j.status = 2);
END $$;

-- Of jobs that a worker is about to claim, those that no limit keeps; the others wait from now on as 'retrying'. Claims that meet one limit stand
-- in line for it until their commit, and each statement of a volatile function sees what was committed before: so together they never pass it.
CREATE FUNCTION claimable(p_ids uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    one record;
    subjects text[] := '{}';
    room bigint[] := '{}';
    kept uuid[] := '{}';
    keepers text[] := '{}';
    keeper text;
BEGIN
    IF NOT EXISTS (SELECT FROM tenants WHERE max_running IS NOT NULL) AND NOT EXISTS (SELECT FROM api_keys WHERE max_running IS NOT NULL) THEN
        RETURN p_ids;
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
        room := room || (one.most - count_running(one.subject));
    END LOOP;
    IF cardinality(subjects) = 0 THEN
        RETURN p_ids;
    END IF;
    FOR one IN
        SELECT j.id, array_position(subjects, 'tenant:' || j.tenant_id) AS of_tenant, array_position(subjects, 'key:' || p.key_id) AS of_key
          FROM unnest(p_ids) i (id) JOIN jobs j ON j.id = i.id JOIN job_payloads p ON p.job_id = i.id
         WHERE j.status::int = 1 AND NOT j.cancel_requested
         ORDER BY j.priority, j.id
    LOOP
        keeper := CASE WHEN room[one.of_tenant] <= 0 THEN subjects[one.of_tenant] WHEN room[one.of_key] <= 0 THEN subjects[one.of_key] END;
        IF keeper IS NOT NULL THEN
            kept := kept || one.id;
            keepers := keepers || keeper;
            CONTINUE;
        END IF;
        IF one.of_tenant IS NOT NULL THEN
            room[one.of_tenant] := room[one.of_tenant] - 1;
        END IF;
        IF one.of_key IS NOT NULL THEN
            room[one.of_key] := room[one.of_key] - 1;
        END IF;
    END LOOP;
    IF cardinality(kept) = 0 THEN
        RETURN p_ids;
    END IF;
    -- The leader lets them go on (release_running); the time is for the day when nobody leads.
    WITH put_off AS (
        UPDATE jobs j SET status = 5, waiting_reason = 'running_limit:' || split_part(k.keeper, ':', 1), due_at = now() + interval '15 minutes', last_seq = j.last_seq + 1
          FROM unnest(kept, keepers) k (id, keeper)
         WHERE j.id = k.id AND j.status::int = 1
        RETURNING j.id, j.tenant_id, j.priority, j.attempt, j.last_seq, j.waiting_reason, k.keeper
    ), events AS (
        INSERT INTO job_events (job_id, seq, kind, tenant_id, data)
        SELECT p.id, p.last_seq, 1, p.tenant_id, '{"status":"retrying","attempt":' || p.attempt || ',"waiting_reason":"' || p.waiting_reason || '"}' FROM put_off p
    )
    INSERT INTO jobs_over_limit AS o (job_id, tenant_id, subject, priority)
    SELECT p.id, p.tenant_id, p.keeper, p.priority FROM put_off p ORDER BY p.id
        ON CONFLICT (job_id) DO UPDATE SET subject = excluded.subject, released_at = NULL;
    RETURN ARRAY(SELECT i FROM unnest(p_ids) i WHERE i <> ALL (kept));
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
    -- Whoever was let go on and began, or ended, waits here no more. One that is let go on and not claimed for long holds up no others.
    DELETE FROM jobs_over_limit o
     WHERE o.released_at IS NOT NULL
       AND (o.released_at < now() - interval '10 seconds'
            OR NOT EXISTS (SELECT FROM jobs j WHERE j.id = o.job_id AND (j.status::int = 1 OR j.status::int = 5 AND j.waiting_reason LIKE 'running_limit:%')));
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
        room := p_limit;
        IF one.most IS NOT NULL THEN
            room := least(room, one.most - count_running(one.subject)
                                - (SELECT count(*) FROM jobs_over_limit o WHERE o.released_at IS NOT NULL AND o.subject = one.subject));
        END IF;
        CONTINUE WHEN room <= 0;
        -- Of those in front, the ones that were cancelled or too late meanwhile.
        DELETE FROM jobs_over_limit d
         WHERE d.job_id IN (SELECT o.job_id FROM jobs_over_limit o WHERE o.released_at IS NULL AND o.subject = one.subject ORDER BY o.priority, o.job_id LIMIT 500)
           AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = d.job_id AND j.status::int = 5 AND j.waiting_reason LIKE 'running_limit:%');
        WITH next AS (
            SELECT o.job_id FROM jobs_over_limit o WHERE o.released_at IS NULL AND o.subject = one.subject ORDER BY o.priority, o.job_id LIMIT room
        ), due AS (
            UPDATE jobs j SET due_at = now() FROM next x
             WHERE j.id = x.job_id AND j.status::int = 5 AND j.waiting_reason LIKE 'running_limit:%'
            RETURNING j.id
        )
        UPDATE jobs_over_limit o SET released_at = now() FROM due d WHERE o.job_id = d.id;
        GET DIAGNOSTICS n = ROW_COUNT;
        released := released + n;
    END LOOP;
    RETURN released;
END $$;
