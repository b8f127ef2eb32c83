-- A call that was counted and not sent in time counts as nothing, and is counted anew when it is sent (AiBackend.Core/Admission/CallGate): its tokens are
-- given back as those of an ended call, and here the request itself. Expand only.
CREATE FUNCTION uncount_calls(p_window_ms bigint, p_deployment text[], p_slot bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    c record;
    w call_windows;
    at integer;
BEGIN
    FOR c IN SELECT * FROM unnest(p_deployment, p_slot) AS i (deployment, slot) ORDER BY i.deployment COLLATE "C" LOOP
        w := call_window(c.deployment, p_window_ms);
        -- Of a slot that is over for a window nothing counts any more.
        IF c.slot BETWEEN w.slot - 121 AND w.slot THEN
            at := c.slot % 122 + 1;
            w.requests[at] := greatest(0, w.requests[at] - 1);
            UPDATE call_windows r
               SET slot_ms = w.slot_ms, slot = w.slot, requests = w.requests, input_tokens = w.input_tokens, output_tokens = w.output_tokens
             WHERE r.deployment = c.deployment;
        END IF;
    END LOOP;
END $$;
