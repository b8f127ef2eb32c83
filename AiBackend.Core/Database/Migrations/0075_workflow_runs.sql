-- How often workflows are run (AiBackend.Core/Workflows). Expand only.

-- The workflow of a run; null of every other job. Names have no character that JSON would escape.
CREATE FUNCTION workflow_of(input text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN left(input, 13) = '{"workflow":"' THEN split_part(substr(input, 14, 100), '"', 1) END
$$;
-- Of titles that runs have: so neither whoever builds it nor a submit of another job reads what may be megabytes of input.
CREATE INDEX job_payloads_by_workflow ON job_payloads (tenant_id, workflow_of(input)) WHERE title ~ '^[A-Za-z0-9._-]+ v[0-9]+$';

-- Runs that are kept, of each workflow at most so many. Behind the wall the index is of no use: so the owner looks, for whoever acts.
CREATE FUNCTION count_runs(of_tenant uuid, of_workflows text[], most integer) RETURNS TABLE (workflow text, runs bigint) LANGUAGE sql STABLE AS $$
    SELECT w, (SELECT count(*) FROM (SELECT 1 FROM job_payloads p
                                         WHERE p.tenant_id = of_tenant AND workflow_of(p.input) = w AND p.title ~ '^[A-Za-z0-9._-]+ v[0-9]+$' LIMIT most) counted)
      FROM unnest(of_workflows) w
     WHERE of_tenant = ANY ((SELECT acting_tenants())::uuid[])
$$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION count_runs(uuid, text[], integer) SECURITY DEFINER SET search_path = %s, pg_temp', current_setting('search_path'));
END $$;
