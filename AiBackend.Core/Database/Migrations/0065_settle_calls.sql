-- Ended calls give back what they reserved and did not use, in a transaction of their own: a deployment's row is not locked for as long as the
-- ledger and the days are written, and whoever waits for a place at once is called that much sooner.
CREATE FUNCTION settle_calls(
    p_window_ms bigint, p_deployment text[], p_job_id uuid[], p_epoch integer[], p_slot bigint[], p_more_input bigint[], p_more_output bigint[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
    c record;
    w call_windows;
    at integer;
BEGIN
    -- Given back without waiting for the disk: lost in a crash of Postgres, it counts as used for a window, and the leader clears away open calls.
    -- What was used beyond what was reserved must not be lost.
    IF NOT EXISTS (SELECT 1 FROM unnest(p_more_input || p_more_output) AS more WHERE more > 0) THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    FOR name IN SELECT d FROM unnest(p_deployment) AS d GROUP BY d ORDER BY d COLLATE "C" LOOP
        w := call_window(name, p_window_ms);
        FOR c IN
            SELECT * FROM unnest(p_deployment, p_job_id, p_epoch, p_slot, p_more_input, p_more_output)
                       AS i (deployment, job_id, epoch, slot, more_input, more_output)
             WHERE i.deployment = name
        LOOP
            IF c.slot BETWEEN w.slot - 61 AND w.slot THEN
                at := c.slot % 62 + 1;
                w.input_tokens[at] := greatest(0, w.input_tokens[at] + c.more_input);
                w.output_tokens[at] := greatest(0, w.output_tokens[at] + c.more_output);
            ELSE
                at := w.slot % 62 + 1;
                w.input_tokens[at] := w.input_tokens[at] + greatest(c.more_input, 0);
                w.output_tokens[at] := w.output_tokens[at] + greatest(c.more_output, 0);
            END IF;
            DELETE FROM open_calls o WHERE o.job_id = c.job_id AND o.lease_epoch = c.epoch AND o.deployment = name;
        END LOOP;
        UPDATE call_windows r
           SET slot_ms = w.slot_ms, slot = w.slot, requests = w.requests, input_tokens = w.input_tokens, output_tokens = w.output_tokens
         WHERE r.deployment = name;
    END LOOP;
END $$;

DROP FUNCTION settle_call(text, bigint, uuid, integer, bigint, bigint, bigint);
