-- As in 0050_conversations.sql, but a job waits for the nearest one before it: an end wakes one, and not all that wait.
CREATE OR REPLACE FUNCTION enter_turn(p_job uuid, p_tenant uuid, p_conversation uuid) RETURNS TABLE (is_there boolean, waits_for uuid) LANGUAGE plpgsql AS $$
DECLARE
    holder uuid;
    other uuid;
BEGIN
    SELECT c.turn_job INTO holder FROM conversations c WHERE c.id = p_conversation AND c.tenant_id = p_tenant FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT false, NULL::uuid;
        RETURN;
    END IF;
    IF holder IS DISTINCT FROM p_job THEN
        SELECT j.id INTO other FROM jobs j
         WHERE j.conversation_id = p_conversation AND j.tenant_id = p_tenant AND j.status < 6 AND j.id <> p_job
           AND (j.id = holder OR (j.id < p_job AND j.status > 0))
         ORDER BY (j.id < p_job) DESC, j.id DESC LIMIT 1;
        IF other IS NULL THEN
            UPDATE conversations SET turn_job = p_job WHERE id = p_conversation;
        END IF;
    END IF;
    RETURN QUERY SELECT true, other;
END $$;

-- As in 0052_runs_together.sql, but a run goes with all its steps' jobs or not at all.
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
