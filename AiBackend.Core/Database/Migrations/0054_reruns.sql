-- Runs that go on from earlier ones (AiBackend.Core/Workflows). Expand only.

-- What was taken over belongs to the earlier run: its jobs go with that one.
ALTER TABLE workflow_steps ADD COLUMN copied boolean NOT NULL DEFAULT false;

-- As 0052_runs_together.sql has it, but for jobs of steps that were taken over.
CREATE OR REPLACE FUNCTION delete_job(p_tenant uuid, p_id uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    counts jsonb;
    who jsonb := nullif(current_setting('aibackend.actor', true), '')::jsonb;
BEGIN
    -- A run that has ended gets no new ones, and one that has not is refused below.
    IF EXISTS (SELECT 1 FROM workflow_steps s JOIN jobs k ON k.id = s.job_id
                WHERE s.run_id = p_id AND s.tenant_id = p_tenant AND NOT s.copied
                  AND (k.status::int < 6 OR EXISTS (SELECT 1 FROM provider_calls c WHERE c.job_id = k.id AND c.state < 2)
                       -- Another run that is under way has taken it over.
                       OR EXISTS (SELECT 1 FROM workflow_steps o JOIN jobs r ON r.id = o.run_id
                                   WHERE o.job_id = s.job_id AND o.run_id <> p_id AND r.status::int < 6))) THEN
        RETURN false;
    END IF;
    counts := add_counts(delete_jobs(p_tenant, ARRAY(SELECT p_id UNION
                                                     SELECT job_id FROM workflow_steps
                                                      WHERE run_id = p_id AND tenant_id = p_tenant AND job_id IS NOT NULL AND NOT copied), false), '{}');
    IF counts = '{}' THEN
        RETURN false;
    END IF;
    PERFORM audit_append(p_tenant, who ->> 'actor', who ->> 'action', 'job', p_id::text, NULL, jsonb_build_object('rows', counts),
                         who ->> 'request', who ->> 'address');
    RETURN true;
END $$;
