-- Why jobs wait for the limits of a deployment.
CREATE FUNCTION limit_reasons(p_deployment text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg('rate_limit:' || p_deployment || ':' || l)
      FROM unnest(ARRAY['requests_per_minute', 'input_tokens_per_minute', 'output_tokens_per_minute', 'tokens_per_minute', 'concurrent_calls']) l
$$;

-- The functions are patched and not repeated, so that there is one text of each.
DO $$
DECLARE
    patch record;
    old text;
BEGIN
    FOR patch IN SELECT * FROM (VALUES
        -- Whether whoever holds an open call still lives is looked up when the deployment would be full without that: done for each call, it took
        -- most of the time for which the deployment's row was locked.
        ('reserve_call', 'IF count_open_calls(p_deployment) >= p_max_calls AND',
                         'IF (CASE WHEN (SELECT count(*) FROM open_calls o WHERE o.deployment = p_deployment) < p_max_calls THEN false
                 ELSE count_open_calls(p_deployment) >= p_max_calls END) AND'),
        -- A job that was refused is not seen to wait until it has been given back: whoever looked in between forgot the turns, and nobody looked again.
        ('release_limited_jobs', 'WHERE (SELECT max(t) FROM unnest(c.turns) t) > now() ORDER BY',
                                 'WHERE (SELECT max(t) FROM unnest(c.turns) t) > now()
                    OR EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5) AND i.waiting_reason LIKE ''rate_limit:%'' AND i.waiting_reason = ANY (limit_reasons(c.deployment)))
                 ORDER BY'),
        ('release_limited_jobs', '(SELECT array_agg(''rate_limit:'' || name || '':'' || l)
                      FROM unnest(ARRAY[''requests_per_minute'', ''input_tokens_per_minute'', ''output_tokens_per_minute'', ''tokens_per_minute'', ''concurrent_calls'']) l)',
                                 'limit_reasons(name)')
    ) AS p (name, before, after) LOOP
        old := pg_get_functiondef(patch.name::regproc);
        IF position(patch.before IN old) = 0 THEN
            RAISE EXCEPTION '% is not what this migration knows', patch.name;
        END IF;
        EXECUTE replace(old, patch.before, patch.after);
    END LOOP;
END $$;
