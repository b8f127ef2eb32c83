-- A call that was counted and not sent gives its request back with its tokens: a process that is late with its calls would use up by them alone
-- what others may still send.
DO $$
DECLARE
    old text := pg_get_functiondef('settle_calls'::regproc);
    changed text;
    patch record;
BEGIN
    FOR patch IN SELECT * FROM (VALUES
        ('p_more_output bigint[])', 'p_more_output bigint[], p_unsent boolean[])'),
        ('p_slot, p_more_input, p_more_output)', 'p_slot, p_more_input, p_more_output, p_unsent)'),
        ('slot, more_input, more_output)', 'slot, more_input, more_output, unsent)'),
        ('w.input_tokens[at] := greatest(', 'w.requests[at] := greatest(0, w.requests[at] - c.unsent::integer);
                w.input_tokens[at] := greatest(')
    ) AS p (before, after) LOOP
        changed := replace(old, patch.before, patch.after);
        IF changed = old THEN
            RAISE EXCEPTION 'settle_calls has no %', patch.before;
        END IF;
        old := changed;
    END LOOP;
    DROP FUNCTION settle_calls(bigint, text[], uuid[], integer[], smallint[], bigint[], bigint[], bigint[]);
    EXECUTE changed;
END $$;

-- For workers of the version before; it goes with the next.
CREATE FUNCTION settle_calls(
    p_window_ms bigint, p_deployment text[], p_job_id uuid[], p_epoch integer[], p_call smallint[], p_slot bigint[], p_more_input bigint[],
    p_more_output bigint[])
RETURNS void LANGUAGE sql AS $$
    SELECT settle_calls(p_window_ms, p_deployment, p_job_id, p_epoch, p_call, p_slot, p_more_input, p_more_output,
                        array_fill(false, ARRAY[cardinality(p_slot)]))
$$;
