-- Whether any job waits for a limit is one short look at an index; which deployment it waits for is one a deployment, four times a second.
DO $$
DECLARE
    before CONSTANT text := 'OR EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5)';
    old text := pg_get_functiondef('release_limited_jobs'::regproc);
BEGIN
    IF position(before IN old) = 0 THEN
        RAISE EXCEPTION 'release_limited_jobs is not what this migration knows';
    END IF;
    EXECUTE replace(old, before, 'OR (SELECT EXISTS (SELECT 1 FROM jobs any_job WHERE any_job.status IN (1, 5) AND any_job.waiting_reason LIKE ''rate_limit:%''))
                    AND EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5)');
END $$;
