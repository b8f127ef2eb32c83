-- A deployment's row is locked for its calls alone: whoever looks whether others may go on reads it, and does not make them wait for that.

-- A row as it is rolled on to now: see call_window.
CREATE FUNCTION rolled_window(w call_windows, p_window_ms bigint) RETURNS call_windows LANGUAGE plpgsql AS $$
DECLARE
    now_ms bigint := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
    new_slot_ms bigint := greatest(1, p_window_ms / 60);
    nothing bigint[] := array_fill(0::bigint, ARRAY[62]);
    total record;
BEGIN
    IF w.slot_ms <> new_slot_ms OR w.slot > now_ms / new_slot_ms + 62 THEN
        -- Another length of the window, or a clock that was far ahead: all that counts counts as now.
        SELECT (SELECT sum(n) FROM unnest(w.requests) n) AS r, (SELECT sum(n) FROM unnest(w.input_tokens) n) AS i,
               (SELECT sum(n) FROM unnest(w.output_tokens) n) AS o INTO total;
        w.slot_ms := new_slot_ms;
        w.slot := now_ms / new_slot_ms;
        w.requests := nothing; w.input_tokens := nothing; w.output_tokens := nothing;
        w.requests[w.slot % 62 + 1] := total.r; w.input_tokens[w.slot % 62 + 1] := total.i; w.output_tokens[w.slot % 62 + 1] := total.o;
    END IF;
    -- A clock that was set back a little stays at the latest slot until then.
    w.slot := greatest(w.slot, now_ms / new_slot_ms - 62);
    WHILE w.slot < now_ms / new_slot_ms LOOP
        w.slot := w.slot + 1;
        w.requests[w.slot % 62 + 1] := 0; w.input_tokens[w.slot % 62 + 1] := 0; w.output_tokens[w.slot % 62 + 1] := 0;
    END LOOP;
    RETURN w;
END $$;

CREATE OR REPLACE FUNCTION call_window(p_deployment text, p_window_ms bigint) RETURNS call_windows LANGUAGE plpgsql AS $$
DECLARE
    w call_windows;
    nothing bigint[] := array_fill(0::bigint, ARRAY[62]);
BEGIN
    SELECT * INTO w FROM call_windows c WHERE c.deployment = p_deployment FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO call_windows
        VALUES (p_deployment, greatest(1, p_window_ms / 60), 0, nothing, nothing, nothing, array_fill('-infinity'::timestamptz, ARRAY[3]))
        ON CONFLICT (deployment) DO NOTHING;
        SELECT * INTO w FROM call_windows c WHERE c.deployment = p_deployment FOR UPDATE;
    END IF;
    -- After the lock was won: before, it would be the time of the begin of the wait.
    RETURN rolled_window(w, p_window_ms);
END $$;

-- As count_open_calls, without clearing away what the dead have left, which waits for those who do so.
CREATE FUNCTION live_open_calls(p_deployment text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(*) FROM open_calls o
             WHERE o.deployment = p_deployment
               AND (EXISTS (SELECT 1 FROM jobs j WHERE j.id = o.job_id AND j.status::int = 2 AND j.lease_epoch = o.lease_epoch AND j.lease_until > now())
                    OR o.lease_epoch = 0 AND EXISTS (SELECT 1 FROM provider_calls c WHERE c.job_id = o.job_id AND c.lease_epoch = 0 AND c.state::int IN (0, 1))));
END $$;

CREATE OR REPLACE FUNCTION release_limited_jobs() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    w call_windows;
    requests numeric;
    input numeric;
    output numeric;
    idle text[] := '{}';
    total bigint := 0;
    -- A job that was refused is not seen to wait until it has been given back: whoever looked in between forgot the turns, and nobody looked again.
    some_wait CONSTANT boolean := EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'rate_limit:%');
BEGIN
    FOR w IN
        SELECT * FROM call_windows c
         WHERE (SELECT max(t) FROM unnest(c.turns) t) > now()
            OR some_wait AND EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'rate_limit:%'
                                                            AND i.waiting_reason = ANY (limit_reasons(c.deployment)))
    LOOP
        w := rolled_window(w, w.slot_ms * 60);
        requests := (SELECT sum(n) FROM unnest(w.requests) n);
        input := (SELECT sum(n) FROM unnest(w.input_tokens) n);
        output := (SELECT sum(n) FROM unnest(w.output_tokens) n);
        -- In calls like those of the last window; least() passes over limits that are null.
        total := total + release_rate_limited(limit_reasons(w.deployment), least(
            w.max_requests - requests,
            floor((w.max_input - input) * greatest(requests, 1) / greatest(input, 1)),
            floor((w.max_output - output) * greatest(requests, 1) / greatest(output, 1)),
            floor((w.max_tokens - input - output) * greatest(requests, 1) / greatest(input + output, 1)),
            -- Half a second's worth may be on its way: until the next round, a quarter of a second later, calls end.
            CASE WHEN w.max_calls IS NOT NULL THEN w.max_calls - live_open_calls(w.deployment)
                 + (SELECT floor(500.0 * max(w.requests[(w.slot - ago) % 62 + 1]) / w.slot_ms) FROM generate_series(1, 5) AS ago) END)::bigint);
        IF NOT EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'rate_limit:%'
                                              AND i.waiting_reason = ANY (limit_reasons(w.deployment))) THEN
            idle := idle || w.deployment;
        END IF;
    END LOOP;
    -- One whose calls are under way keeps them until the next round. A turn that was given meanwhile is forgotten too: its job is found among
    -- those who wait, and only newcomers may go before it.
    UPDATE call_windows c SET turns = array_fill('-infinity'::timestamptz, ARRAY[3])
     WHERE c.deployment IN (SELECT i.deployment FROM call_windows i WHERE i.deployment = ANY (idle) FOR UPDATE SKIP LOCKED);
    RETURN total;
END $$;

-- In steps: what looks at the jobs is planned for all their weeks, and needed once in half a minute at most.
CREATE OR REPLACE FUNCTION raise_pace(p_deployment text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM call_paces c WHERE c.deployment = p_deployment AND c.rate >= c.full_rate AND c.lowered_at < now() - interval '30 seconds') THEN
        DELETE FROM call_paces c
         WHERE c.deployment = p_deployment AND c.rate >= c.full_rate AND c.lowered_at < now() - interval '30 seconds'
           AND c.blocked_until < now() AND c.used_until < now() + interval '100 milliseconds'
           AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%'
                                                 AND j.waiting_reason = 'rate_limit:' || p_deployment || ':pace');
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    UPDATE call_paces c
       SET rate = n.rate, full_rate = greatest(c.full_rate, n.rate), peak_rate = greatest(c.peak_rate, n.rate), raised_at = now()
      FROM (SELECT p.deployment,
                   greatest(CASE WHEN p.rate < p.full_rate THEN least(p.full_rate, p.rate + p.full_rate / 10) ELSE p.rate * 1.01 END,
                            least(p.peak_rate, p.rate * least(2, 1 + (extract(epoch FROM now() - greatest(p.lowered_at, p.blocked_until)) - 5) / 10))) AS rate
              FROM call_paces p WHERE p.deployment = p_deployment) n
     WHERE c.deployment = n.deployment AND c.raised_at < now() - interval '500 milliseconds';
END $$;

-- Every call of a slowed deployment passes here, one after the other until its commit: not until the disk has it, since a pace that is lost in a
-- crash is found out again.
DO $$
DECLARE
    old text := pg_get_functiondef('enter_pace'::regproc);
BEGIN
    IF position('BEGIN' IN old) = 0 THEN
        RAISE EXCEPTION 'enter_pace is not what this migration knows';
    END IF;
    EXECUTE regexp_replace(old, 'BEGIN', 'BEGIN
    PERFORM set_config(''synchronous_commit'', ''off'', true);');
END $$;
