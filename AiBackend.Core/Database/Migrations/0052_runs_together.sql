-- A run and the jobs of its steps need each other until both have ended, and what a step gave is deleted with its job. Expand only.

-- As 0036_privacy.sql has it, but a run keeps what it needs, what a step gave goes with its job, and so do messages of conversations. Answers how many rows went, by table.
CREATE OR REPLACE FUNCTION delete_jobs(p_tenant uuid, p_ids uuid[], p_with_calls boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    t text;
    n bigint;
    counts jsonb := '{}';
BEGIN
    ids := ARRAY(SELECT j.id FROM jobs j
                  WHERE j.id = ANY (p_ids) AND j.tenant_id = p_tenant AND j.status::int >= 6
                    AND NOT EXISTS (SELECT 1 FROM provider_calls c WHERE c.job_id = j.id AND c.state < 2)
                    -- A run that is under way has yet to take in what its steps gave.
                    AND NOT EXISTS (SELECT 1 FROM workflow_steps s JOIN jobs r ON r.id = s.run_id WHERE s.job_id = j.id AND r.status::int < 6)
                    -- Nobody would end the jobs of a run that is gone.
                    AND (j.type <> 3 OR NOT EXISTS (
                            SELECT 1 FROM workflow_steps s JOIN jobs k ON k.id = s.job_id
                             WHERE s.run_id = j.id AND (k.status::int < 6 OR EXISTS (SELECT 1 FROM provider_calls c WHERE c.job_id = k.id AND c.state < 2))))
                  ORDER BY j.id FOR UPDATE);
    IF cardinality(ids) = 0 THEN
        RETURN counts;
    END IF;
    FOR t IN SELECT name FROM tenant_tables() WHERE by_job AND (p_with_calls OR name <> 'provider_calls') LOOP
        EXECUTE format('DELETE FROM %I WHERE job_id = ANY ($1) AND tenant_id = $2', t) USING ids, p_tenant;
        GET DIAGNOSTICS n = ROW_COUNT;
        counts := counts || jsonb_build_object(t, n);
    END LOOP;
    -- What else repeats words of a job.
    DELETE FROM cached_answers WHERE tenant_id = p_tenant AND job_id = ANY (ids);
    GET DIAGNOSTICS n = ROW_COUNT;
    counts := counts || jsonb_build_object('cached_answers', n);
    DELETE FROM conversation_messages WHERE tenant_id = p_tenant AND job_id = ANY (ids);
    GET DIAGNOSTICS n = ROW_COUNT;
    counts := counts || jsonb_build_object('conversation_messages', n);
    DELETE FROM webhook_deliveries WHERE tenant_id = p_tenant AND about = ANY (ids);
    GET DIAGNOSTICS n = ROW_COUNT;
    counts := counts || jsonb_build_object('webhook_deliveries', n);
    UPDATE workflow_steps SET output = NULL, error = NULL WHERE tenant_id = p_tenant AND job_id = ANY (ids);
    DELETE FROM jobs WHERE id = ANY (ids) AND tenant_id = p_tenant;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN counts || jsonb_build_object('jobs', n);
END $$;

-- One job, because somebody asked for it, a run with all jobs of its steps or not at all: written down in the same transaction, without a word of it.
CREATE OR REPLACE FUNCTION delete_job(p_tenant uuid, p_id uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    counts jsonb;
    who jsonb := nullif(current_setting('aibackend.actor', true), '')::jsonb;
BEGIN
    -- A run that has ended gets no new ones, and one that has not is refused below.
    IF EXISTS (SELECT 1 FROM workflow_steps s JOIN jobs k ON k.id = s.job_id
                WHERE s.run_id = p_id AND s.tenant_id = p_tenant
                  AND (k.status::int < 6 OR EXISTS (SELECT 1 FROM provider_calls c WHERE c.job_id = k.id AND c.state < 2))) THEN
        RETURN false;
    END IF;
    counts := add_counts(delete_jobs(p_tenant, ARRAY(SELECT p_id UNION
                                                     SELECT job_id FROM workflow_steps
                                                      WHERE run_id = p_id AND tenant_id = p_tenant AND job_id IS NOT NULL), false), '{}');
    IF counts = '{}' THEN
        RETURN false;
    END IF;
    PERFORM audit_append(p_tenant, who ->> 'actor', who ->> 'action', 'job', p_id::text, NULL, jsonb_build_object('rows', counts),
                         who ->> 'request', who ->> 'address');
    RETURN true;
END $$;
