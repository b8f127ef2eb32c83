-- Letting jobs go on costs what goes on, however many wait.
DROP INDEX jobs_held;
CREATE INDEX jobs_held ON jobs (waiting_reason, id) WHERE status = 5 AND waiting_reason LIKE 'paused:%';

-- Lets so many go on that wait for one of the reasons, less those that are on their way already. The urgent first. One range of the index
-- jobs_limited for each reason and priority: in one range for all, those who are due lie among the many who are not.
CREATE FUNCTION release_rate_limited(p_reasons text[], p_room bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    room bigint := least(p_room, 10000);
    released bigint;
BEGIN
    IF coalesce(room, 0) <= 0 THEN
        RETURN 0;
    END IF;
    room := room - (SELECT count(*) FROM unnest(p_reasons) AS r (reason) CROSS JOIN unnest(ARRAY[0, 1, 2]::smallint[]) AS p (priority)
                     CROSS JOIN LATERAL (SELECT 1 FROM jobs j
                                          WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%' AND j.waiting_reason = r.reason
                                            AND j.priority = p.priority AND j.due_at <= now()
                                          LIMIT room) due);
    IF room <= 0 THEN
        RETURN 0;
    END IF;
    -- Without the status in the innermost: it would invite the planner to jobs_due, where all who wait for anything stand.
    UPDATE jobs j SET due_at = now()
     WHERE j.status = 5
       AND j.id IN (SELECT l.id FROM jobs l
                     WHERE l.id = ANY (ARRAY(
                               SELECT i.id FROM unnest(p_reasons) AS r (reason) CROSS JOIN unnest(ARRAY[0, 1, 2]::smallint[]) AS p (priority)
                                CROSS JOIN LATERAL (SELECT w.id, w.due_at FROM jobs w
                                                     WHERE w.status IN (1, 5) AND w.waiting_reason LIKE 'rate_limit:%'
                                                       AND w.waiting_reason = r.reason AND w.priority = p.priority
                                                       AND w.due_at > now()
                                                     ORDER BY w.due_at LIMIT room) i
                                ORDER BY p.priority, i.due_at LIMIT room))
                       FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS released = ROW_COUNT;
    RETURN released;
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
    FOR name IN SELECT c.deployment FROM call_windows c WHERE (SELECT max(t) FROM unnest(c.turns) t) > now() ORDER BY c.deployment LOOP
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
            CASE WHEN w.max_calls IS NOT NULL THEN w.max_calls - count_open_calls(name) END)::bigint);
        IF NOT EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'rate_limit:%' AND i.waiting_reason = ANY (reasons)) THEN
            UPDATE call_windows c SET turns = array_fill('-infinity'::timestamptz, ARRAY[3]) WHERE c.deployment = name;
        END IF;
    END LOOP;
    RETURN total;
END $$;

-- As many as may be asked until the next round, a quarter of a second later, and a little more, so that the pace is kept full.
CREATE OR REPLACE FUNCTION release_paced_jobs() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM call_paces c WHERE greatest(c.lowered_at, c.raised_at, c.used_until) < now() - interval '10 minutes';
    RETURN (SELECT coalesce(sum(release_rate_limited(ARRAY['rate_limit:' || p.deployment || ':pace'], ceil(p.rate * 0.5)::bigint)), 0)
              FROM call_paces p WHERE p.blocked_until < now() + interval '250 milliseconds');
END $$;
