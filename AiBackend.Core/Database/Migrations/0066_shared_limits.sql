-- Whose turn it is under a provider's limit is decided by the line, as for slots (AiBackend.Core/Queue/Limits): by level, and by what tenants have had
-- for their weight. What is decided here is how many may go on, and that nobody goes on past the line.
-- Since when a job waits for limits, one after the other or one and the same; null when it does not.
ALTER TABLE jobs ADD COLUMN limited_since timestamptz;

CREATE INDEX jobs_limited_by_tenant ON jobs (waiting_reason, priority, tenant_id, id) WHERE status IN (1, 5) AND waiting_reason LIKE 'rate_limit:%';

-- Those who would be due by themselves before the next look come later: in the order in which they were refused one tenant's heap of work had all that
-- there is room for. Put off by half of what they have waited already, up to five minutes, so that one job is put off a few times and not in every
-- look. They are due by themselves when nobody looks any more: when the deployment has no limits now, or nobody leads.
CREATE FUNCTION put_off_limited(p_reasons text[]) RETURNS void LANGUAGE sql AS $$
    UPDATE jobs j SET due_at = now() + least(interval '5 minutes', greatest(interval '30 seconds', (now() - j.limited_since) / 2))
     WHERE j.status = 5
       AND j.id IN (SELECT l.id FROM jobs l
                     WHERE l.id = ANY (ARRAY(
                               SELECT i.id FROM unnest(p_reasons) AS r (reason) CROSS JOIN unnest(ARRAY[0, 1, 2]::smallint[]) AS p (priority)
                                CROSS JOIN LATERAL (SELECT w.id FROM jobs w
                                                     WHERE w.status IN (1, 5) AND w.waiting_reason LIKE 'rate_limit:%'
                                                       AND w.waiting_reason = r.reason AND w.priority = p.priority
                                                       AND w.due_at > now() AND w.due_at < now() + interval '1 second'
                                                     ORDER BY w.due_at LIMIT 1000) i))
                       FOR UPDATE SKIP LOCKED)
$$;

-- Those who were let go on and have not called yet. Who has not for longer than a few seconds waits for something else, a slot or an operator, and
-- is in nobody's way; nor is one that must run alone.
CREATE FUNCTION limited_on_their_way(p_reasons text[], p_most bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM unnest(p_reasons) AS r (reason) CROSS JOIN unnest(ARRAY[0, 1, 2]::smallint[]) AS p (priority)
     CROSS JOIN LATERAL (SELECT 1 FROM jobs j
                          WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%' AND j.waiting_reason = r.reason
                            AND j.priority = p.priority AND j.due_at <= now() AND j.due_at > now() - interval '5 seconds' AND j.crash_count < 2
                          LIMIT p_most) due
$$;

DROP FUNCTION release_limited_jobs();

-- How many calls each deployment may be asked for beyond those on their way, where somebody waits for that; by what the waiting say they wait for.
CREATE FUNCTION room_under_limits() RETURNS TABLE (name text, reasons text[], places bigint) LANGUAGE plpgsql AS $$
DECLARE
    w call_windows;
    requests numeric;
    input numeric;
    output numeric;
    idle text[] := '{}';
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
        name := w.deployment;
        reasons := limit_reasons(w.deployment);
        -- In calls like those of the last window; least() passes over limits that are null.
        places := least(
            w.max_requests - requests,
            floor((w.max_input - input) * greatest(requests, 1) / greatest(input, 1)),
            floor((w.max_output - output) * greatest(requests, 1) / greatest(output, 1)),
            floor((w.max_tokens - input - output) * greatest(requests, 1) / greatest(input + output, 1)),
            -- Half a second's worth may be on its way: until the next round, a quarter of a second later, calls end.
            CASE WHEN w.max_calls IS NOT NULL THEN w.max_calls - live_open_calls(w.deployment)
                 + (SELECT floor(500.0 * max(w.requests[(w.slot - ago) % 62 + 1]) / w.slot_ms) FROM generate_series(1, 5) AS ago) END)::bigint;
        IF NOT EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'rate_limit:%' AND i.waiting_reason = ANY (reasons)) THEN
            idle := idle || w.deployment;
        ELSIF places IS NOT NULL THEN
            PERFORM put_off_limited(reasons);
            places := CASE WHEN places > 0 THEN places - limited_on_their_way(reasons, places) ELSE 0 END;
            RETURN NEXT;
        END IF;
    END LOOP;
    -- One whose calls are under way keeps them until the next round. A turn that was given meanwhile is forgotten too: its job is found among
    -- those who wait, and only newcomers may go before it.
    UPDATE call_windows c SET turns = array_fill('-infinity'::timestamptz, ARRAY[3])
     WHERE c.deployment IN (SELECT i.deployment FROM call_windows i WHERE i.deployment = ANY (idle) FOR UPDATE SKIP LOCKED);
    -- As many as may be asked until the next round, a quarter of a second later, and a little more, so that a pace is kept full.
    DELETE FROM call_paces c WHERE greatest(c.lowered_at, c.raised_at, c.used_until, c.blocked_until) < now() - interval '10 minutes';
    FOR name, reasons, places IN
        SELECT p.deployment || ':pace', ARRAY['rate_limit:' || p.deployment || ':pace'], CASE WHEN p.blocked_until < now() + interval '250 milliseconds' THEN ceil(p.rate * 0.5)::bigint ELSE 0 END
          FROM call_paces p
    LOOP
        IF some_wait AND EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'rate_limit:%' AND i.waiting_reason = ANY (reasons)) THEN
            PERFORM put_off_limited(reasons);
            places := CASE WHEN places > 0 THEN places - limited_on_their_way(reasons, places) ELSE 0 END;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

DROP FUNCTION release_paced_jobs();
DROP FUNCTION release_rate_limited(text[], bigint);

-- An attempt calls more than once, and its next call is admitted before the one before has given its place back: each is open by itself.
ALTER TABLE open_calls ADD COLUMN call smallint NOT NULL DEFAULT 0;
ALTER TABLE open_calls DROP CONSTRAINT open_calls_pkey, ADD PRIMARY KEY (job_id, lease_epoch, call);

DO $$
DECLARE
    patch record;
    old text;
    changed text;
BEGIN
    FOR patch IN SELECT * FROM (VALUES
        ('reserve_call', 'p_epoch integer, p_level', 'p_epoch integer, p_call smallint, p_level'),
        -- A repeat after a lost reply is the same call.
        ('reserve_call', 'WHERE o.job_id = p_job_id AND o.deployment = p_deployment)', 'WHERE o.job_id = p_job_id AND o.call = p_call AND o.deployment = p_deployment)'),
        ('reserve_call', 'INSERT INTO open_calls VALUES (p_job_id, p_epoch, p_deployment)', 'INSERT INTO open_calls VALUES (p_job_id, p_epoch, p_deployment, p_call)'),
        ('reserve_call', 'ON CONFLICT (job_id, lease_epoch) DO', 'ON CONFLICT (job_id, lease_epoch, call) DO')
    ) AS p (name, before, after) LOOP
        old := coalesce(changed, pg_get_functiondef(patch.name::regproc));
        IF position(patch.before IN old) = 0 THEN
            RAISE EXCEPTION '% has no %', patch.name, patch.before;
        END IF;
        changed := replace(old, patch.before, patch.after);
    END LOOP;
    DROP FUNCTION reserve_call(text, bigint, uuid, integer, smallint, boolean, bigint, bigint, bigint, bigint, bigint, bigint, bigint);
    EXECUTE changed;

    old := pg_get_functiondef(
        'admit_calls(bigint, text[], text[], text[], uuid[], integer[], smallint[], smallint[], boolean[], bigint[], bigint[], bigint[], bigint[], bigint[],
                     bigint[], bigint[], uuid[], text[], text[], text[], integer[], numeric[], numeric[], uuid[], numeric[], bigint[])'::regprocedure);
    changed := replace(old, 'c.job_id, c.epoch, c.level, c.has_turn', 'c.job_id, c.epoch, c.call, c.level, c.has_turn');
    IF changed = old THEN
        RAISE EXCEPTION 'admit_calls is not what this migration knows';
    END IF;
    EXECUTE changed;

    old := pg_get_functiondef('settle_calls'::regproc);
    FOR patch IN SELECT * FROM (VALUES
        ('p_epoch integer[], p_slot', 'p_epoch integer[], p_call smallint[], p_slot'),
        ('unnest(p_deployment, p_job_id, p_epoch, p_slot', 'unnest(p_deployment, p_job_id, p_epoch, p_call, p_slot'),
        ('AS i (deployment, job_id, epoch, slot', 'AS i (deployment, job_id, epoch, call, slot'),
        ('o.lease_epoch = c.epoch AND o.deployment', 'o.lease_epoch = c.epoch AND o.call = c.call AND o.deployment')
    ) AS p (before, after) LOOP
        changed := replace(old, patch.before, patch.after);
        IF changed = old THEN
            RAISE EXCEPTION 'settle_calls has no %', patch.before;
        END IF;
        old := changed;
    END LOOP;
    DROP FUNCTION settle_calls(bigint, text[], uuid[], integer[], bigint[], bigint[], bigint[]);
    EXECUTE changed;
END $$;

-- An answer is shared as long as its route is what it was. Workers know of a change a second later; five, to be sure.
DO $$
DECLARE
    old text := pg_get_functiondef('enter_flight'::regproc);
    changed text := replace(old, 'AND a.expires_at > now() AND', 'AND a.expires_at > now()
                    AND NOT EXISTS (SELECT FROM routing_versions r JOIN jobs j ON j.id = p_job
                                     WHERE r.kind = 1 AND r.name = j.model AND r.created_at > (SELECT l.started_at FROM jobs l WHERE l.id = a.job_id) - interval ''5 seconds'')
                    AND');
BEGIN
    IF changed = old THEN
        RAISE EXCEPTION 'enter_flight is not what this migration knows';
    END IF;
    EXECUTE changed;
END $$;
