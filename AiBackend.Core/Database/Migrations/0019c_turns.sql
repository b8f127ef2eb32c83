-- Jobs that wait for one of so many calls at once come back as quickly as calls end, and not one in 20 ms: a deployment that takes 50 calls
-- of half a second was kept busy to three quarters.

-- Milliseconds between two calls where the last seconds were busiest; at most 20.
CREATE FUNCTION call_interval(w call_windows) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT least(20, greatest(1, w.slot_ms::numeric / greatest(1, max(w.requests[(w.slot - ago) % 62 + 1])))) FROM generate_series(1, 5) AS ago
$$;

CREATE OR REPLACE FUNCTION reserve_call(
    p_deployment text, p_window_ms bigint, p_job_id uuid, p_epoch integer, p_level smallint, p_has_turn boolean,
    p_input bigint, p_output bigint, p_max_requests bigint, p_max_input bigint, p_max_output bigint, p_max_tokens bigint, p_max_calls bigint,
    OUT reserved_slot bigint, OUT delay_ms bigint, OUT blocked_by text) LANGUAGE plpgsql AS $$
DECLARE
    w call_windows;
    now_ms bigint;
    until_ms bigint := 0;
    turn_ms bigint;
    step_ms numeric := 0;
    fullest numeric := 0;
    fullest_name text;
    lim record;
    at integer;
BEGIN
    w := call_window(p_deployment, p_window_ms);
    now_ms := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
    FOR lim IN
        SELECT l.name, l.need, l.most, (SELECT sum(n) FROM unnest(l.counts) n) / l.most AS fill, call_wait(w, l.counts, l.need, l.most) AS wait_until
          FROM (VALUES ('requests_per_minute', w.requests, 1::bigint, p_max_requests),
                       ('input_tokens_per_minute', w.input_tokens, p_input, p_max_input),
                       ('output_tokens_per_minute', w.output_tokens, p_output, p_max_output),
                       ('tokens_per_minute', (SELECT array_agg(i + o ORDER BY n) FROM unnest(w.input_tokens, w.output_tokens) WITH ORDINALITY AS t (i, o, n)),
                        p_input + p_output, p_max_tokens)) AS l (name, counts, need, most)
         WHERE l.most IS NOT NULL
    LOOP
        step_ms := greatest(step_ms, least(lim.need, lim.most)::numeric / lim.most * p_window_ms);
        IF lim.fill > fullest THEN
            fullest := lim.fill;
            fullest_name := lim.name;
        END IF;
        IF lim.wait_until > until_ms THEN
            until_ms := lim.wait_until;
            blocked_by := lim.name;
        END IF;
    END LOOP;

    IF p_max_calls IS NOT NULL THEN
        IF count_open_calls(p_deployment) >= p_max_calls AND NOT EXISTS (SELECT 1 FROM open_calls o WHERE o.job_id = p_job_id AND o.deployment = p_deployment) THEN
            until_ms := greatest(until_ms, now_ms + 250);
            blocked_by := 'concurrent_calls';
            fullest := 1;
            fullest_name := blocked_by;
            step_ms := greatest(step_ms, call_interval(w));
        END IF;
    END IF;

    -- With room to spare whoever had a turn did not come.
    turn_ms := (SELECT extract(epoch FROM max(t)) * 1000 FROM unnest(w.turns[1:p_level + 1]) t WHERE isfinite(t));
    IF NOT p_has_turn AND turn_ms > greatest(until_ms, now_ms) AND fullest >= 0.8 THEN
        until_ms := turn_ms;
        blocked_by := coalesce(blocked_by, fullest_name);
    END IF;

    IF until_ms > now_ms THEN
        delay_ms := until_ms - now_ms;
        IF NOT p_has_turn THEN
            w.turns[p_level + 1] := to_timestamp((until_ms + step_ms) / 1000.0);
        END IF;
    ELSE
        at := w.slot % 62 + 1;
        reserved_slot := w.slot;
        blocked_by := NULL;
        w.requests[at] := w.requests[at] + 1;
        w.input_tokens[at] := w.input_tokens[at] + p_input;
        w.output_tokens[at] := w.output_tokens[at] + p_output;
        IF p_max_calls IS NOT NULL THEN
            INSERT INTO open_calls VALUES (p_job_id, p_epoch, p_deployment)
            ON CONFLICT (job_id, lease_epoch) DO UPDATE SET deployment = excluded.deployment;
        END IF;
    END IF;

    UPDATE call_windows c
       SET slot_ms = w.slot_ms, slot = w.slot, requests = w.requests, input_tokens = w.input_tokens, output_tokens = w.output_tokens, turns = w.turns,
           max_requests = p_max_requests, max_input = p_max_input, max_output = p_max_output, max_tokens = p_max_tokens, max_calls = p_max_calls
     WHERE c.deployment = p_deployment;
END $$;

CREATE OR REPLACE FUNCTION release_limited_jobs() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    w call_windows;
    name text;
    reasons text[];
    requests numeric;
    input numeric;
    output numeric;
    total bigint := 0;
BEGIN
    FOR name IN SELECT c.deployment FROM call_windows c WHERE (SELECT max(t) FROM unnest(c.turns) t) > now() ORDER BY c.deployment COLLATE "C" LOOP
        SELECT * INTO w FROM call_windows c WHERE c.deployment = name;
        w := call_window(name, w.slot_ms * 60);
        requests := (SELECT sum(n) FROM unnest(w.requests) n);
        input := (SELECT sum(n) FROM unnest(w.input_tokens) n);
        output := (SELECT sum(n) FROM unnest(w.output_tokens) n);
        reasons := (SELECT array_agg('rate_limit:' || name || ':' || l)
                      FROM unnest(ARRAY['requests_per_minute', 'input_tokens_per_minute', 'output_tokens_per_minute', 'tokens_per_minute', 'concurrent_calls']) l);
        -- In calls like those of the last window; least() passes over limits that are null.
        total := total + release_rate_limited(reasons, least(
            w.max_requests - requests,
            floor((w.max_input - input) * greatest(requests, 1) / greatest(input, 1)),
            floor((w.max_output - output) * greatest(requests, 1) / greatest(output, 1)),
            floor((w.max_tokens - input - output) * greatest(requests, 1) / greatest(input + output, 1)),
            -- Half a second's worth may be on its way: until the next round, a quarter of a second later, calls end.
            CASE WHEN w.max_calls IS NOT NULL THEN w.max_calls - count_open_calls(name)
                 + (SELECT floor(500.0 * max(w.requests[(w.slot - ago) % 62 + 1]) / w.slot_ms) FROM generate_series(1, 5) AS ago) END)::bigint);
        IF NOT EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'rate_limit:%' AND i.waiting_reason = ANY (reasons)) THEN
            UPDATE call_windows c SET turns = array_fill('-infinity'::timestamptz, ARRAY[3]) WHERE c.deployment = name;
        END IF;
    END LOOP;
    RETURN total;
END $$;
