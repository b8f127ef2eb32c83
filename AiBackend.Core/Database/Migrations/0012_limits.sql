-- What providers allow, counted before each call by all workers together (AiBackend.Core/Admission). One row a deployment, locked for
-- the length of a decision, so that no two decisions are made on the same numbers. Expand only.

CREATE TABLE call_windows (
    deployment      text        PRIMARY KEY,    -- provider/model
    slot_ms         bigint      NOT NULL,       -- length of a slot: a sixtieth of the window
    slot            bigint      NOT NULL,       -- the latest one: Unix time in ms / slot_ms
    requests        bigint[]    NOT NULL,       -- of the last 62 slots, each at its number modulo 62, plus 1
    input_tokens    bigint[]    NOT NULL,       -- reserved or, once they are known, used
    output_tokens   bigint[]    NOT NULL,
    turns           timestamptz[] NOT NULL,     -- for each priority: when the last of those who were told to come back comes
    -- As of the latest call; null is none.
    max_requests    bigint,
    max_input       bigint,
    max_output      bigint,
    max_tokens      bigint,
    max_calls       bigint
) WITH (fillfactor = 20);

-- Calls of deployments that allow only so many at once. One counts while its job's lease lives, so a crash frees its own.
CREATE TABLE open_calls (
    job_id          uuid        NOT NULL,
    lease_epoch     integer     NOT NULL,
    deployment      text        NOT NULL,
    PRIMARY KEY (job_id, lease_epoch)
);
CREATE INDEX open_calls_by_deployment ON open_calls (deployment);

-- Jobs that wait for a limit, or have been let go on and are not claimed yet.
CREATE INDEX jobs_limited ON jobs (waiting_reason, priority, due_at) WHERE status IN (1, 5) AND waiting_reason LIKE 'rate_limit:%';

-- How many calls of a deployment are open.
CREATE FUNCTION count_open_calls(p_deployment text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM open_calls o
     WHERE o.deployment = p_deployment
       AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = o.job_id AND j.status = 2 AND j.lease_epoch = o.lease_epoch AND j.lease_until > now());
    RETURN (SELECT count(*) FROM open_calls o WHERE o.deployment = p_deployment);
END $$;

-- The row of a deployment, locked and rolled on to now. 62 slots: the sixty of a window, the one that is half over at its begin, and one
-- because a call arrives a little later than it was counted.
CREATE FUNCTION call_window(p_deployment text, p_window_ms bigint) RETURNS call_windows LANGUAGE plpgsql AS $$
DECLARE
    w call_windows;
    now_ms bigint;
    new_slot_ms bigint := greatest(1, p_window_ms / 60);
    nothing bigint[] := array_fill(0::bigint, ARRAY[62]);
    total record;
BEGIN
    SELECT * INTO w FROM call_windows c WHERE c.deployment = p_deployment FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO call_windows VALUES (p_deployment, new_slot_ms, 0, nothing, nothing, nothing, array_fill('-infinity'::timestamptz, ARRAY[3]))
        ON CONFLICT (deployment) DO NOTHING;
        SELECT * INTO w FROM call_windows c WHERE c.deployment = p_deployment FOR UPDATE;
    END IF;
    -- Read after the lock was won, or it would be the time of the begin of the wait.
    now_ms := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
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

-- Until when a limit is in the way; null when it is not. More than a whole window allows is let through when nothing else is in it.
CREATE FUNCTION call_wait(w call_windows, counts bigint[], need bigint, most bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    excess bigint := (SELECT sum(n) FROM unnest(counts) n) + least(need, most) - most;
BEGIN
    IF most IS NULL OR excess <= 0 THEN
        RETURN NULL;
    END IF;
    FOR ago IN REVERSE 61 .. 0 LOOP
        excess := excess - counts[(w.slot - ago) % 62 + 1];
        IF excess <= 0 THEN
            RETURN (w.slot - ago + 62) * w.slot_ms;
        END IF;
    END LOOP;
    RETURN (w.slot + 62) * w.slot_ms;
END $$;

-- Counts a call in, or says which limit is in the way and when to come back. Who was told to come back has a turn then: callers of the
-- same or a lower priority that come in between stand behind.
CREATE FUNCTION reserve_call(
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
            step_ms := greatest(step_ms, 20);
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

-- Lets waiting jobs go on as soon as there is room, the urgent first: a turn is the latest time, made of estimates that were too high.
CREATE FUNCTION release_limited_jobs() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    w call_windows;
    name text;
    reasons text[];
    requests numeric;
    input numeric;
    output numeric;
    room numeric;
    released bigint;
    total bigint := 0;
BEGIN
    FOR name IN SELECT c.deployment FROM call_windows c WHERE (SELECT max(t) FROM unnest(c.turns) t) > now() ORDER BY c.deployment LOOP
        SELECT * INTO w FROM call_windows c WHERE c.deployment = name;
        w := call_window(name, w.slot_ms * 60);
        requests := (SELECT sum(n) FROM unnest(w.requests) n);
        input := (SELECT sum(n) FROM unnest(w.input_tokens) n);
        output := (SELECT sum(n) FROM unnest(w.output_tokens) n);
        -- In calls like those of the last window; least() passes over limits that are null.
        room := least(w.max_requests - requests,
                      floor((w.max_input - input) * greatest(requests, 1) / greatest(input, 1)),
                      floor((w.max_output - output) * greatest(requests, 1) / greatest(output, 1)),
                      floor((w.max_tokens - input - output) * greatest(requests, 1) / greatest(input + output, 1)),
                      CASE WHEN w.max_calls IS NOT NULL THEN w.max_calls - count_open_calls(name) END);
        reasons := (SELECT array_agg('rate_limit:' || name || ':' || l)
                      FROM unnest(ARRAY['requests_per_minute', 'input_tokens_per_minute', 'output_tokens_per_minute', 'tokens_per_minute', 'concurrent_calls']) l);
        room := room - (SELECT count(*) FROM jobs j
                         WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%' AND j.waiting_reason = ANY (reasons)
                           AND (j.status = 1 OR j.due_at <= now()));
        UPDATE jobs j SET due_at = now()
         WHERE j.status = 5
           AND j.id IN (SELECT i.id FROM jobs i
                         WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'rate_limit:%' AND i.waiting_reason = ANY (reasons)
                           AND i.status = 5 AND i.due_at > now()
                         ORDER BY i.priority, i.due_at LIMIT greatest(room, 0) FOR UPDATE SKIP LOCKED);
        GET DIAGNOSTICS released = ROW_COUNT;
        total := total + released;
        IF NOT EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'rate_limit:%' AND i.waiting_reason = ANY (reasons)) THEN
            UPDATE call_windows c SET turns = array_fill('-infinity'::timestamptz, ARRAY[3]) WHERE c.deployment = name;
        END IF;
    END LOOP;
    RETURN total;
END $$;

-- What the call used in place of what was reserved for it. More than that counts now when its slot is over; less does no longer matter then.
CREATE FUNCTION settle_call(
    p_deployment text, p_window_ms bigint, p_job_id uuid, p_epoch integer, p_slot bigint, p_more_input bigint, p_more_output bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    w call_windows;
    at integer;
BEGIN
    w := call_window(p_deployment, p_window_ms);
    IF p_slot BETWEEN w.slot - 61 AND w.slot THEN
        at := p_slot % 62 + 1;
    ELSE
        at := w.slot % 62 + 1;
        p_more_input := greatest(p_more_input, 0);
        p_more_output := greatest(p_more_output, 0);
    END IF;
    w.input_tokens[at] := greatest(0, w.input_tokens[at] + p_more_input);
    w.output_tokens[at] := greatest(0, w.output_tokens[at] + p_more_output);
    DELETE FROM open_calls o WHERE o.job_id = p_job_id AND o.lease_epoch = p_epoch AND o.deployment = p_deployment;
    UPDATE call_windows c
       SET slot_ms = w.slot_ms, slot = w.slot, requests = w.requests, input_tokens = w.input_tokens, output_tokens = w.output_tokens
     WHERE c.deployment = p_deployment;
END $$;
