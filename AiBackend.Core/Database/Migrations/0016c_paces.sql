-- How fast a deployment may be asked that has said it is asked too fast: shared by all workers (AiBackend.Core/Admission/Pace). There is no
-- row, and no cost, before a deployment says so, and the row goes some time after it has stopped.
CREATE TABLE call_paces (
    deployment      text        PRIMARY KEY,        -- provider/model
    rate            double precision NOT NULL,      -- calls a second now
    full_rate       double precision NOT NULL,      -- before it was too fast, or what the provider told: the way back is quick up to here
    blocked_until   timestamptz NOT NULL DEFAULT '-infinity',   -- the provider's own word
    used_until      timestamptz NOT NULL DEFAULT '-infinity',   -- the next call is not before
    turns_until     timestamptz NOT NULL DEFAULT '-infinity',   -- the last of those who were told to come back does so
    lowered_at      timestamptz NOT NULL DEFAULT now(),
    raised_at       timestamptz NOT NULL DEFAULT '-infinity'
);

-- Never slower: somebody has to find out that it is well again.
CREATE FUNCTION slowest_pace() RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT 0.2::double precision';

-- Leave for one call within the caller's patience, or when to come back.
CREATE FUNCTION enter_pace(p_deployment text, p_patience_ms bigint, OUT admitted boolean, OUT delay_ms bigint) LANGUAGE plpgsql AS $$
DECLARE
    p call_paces;
    at timestamptz;
BEGIN
    SELECT * INTO p FROM call_paces c WHERE c.deployment = p_deployment FOR UPDATE;
    IF NOT FOUND THEN
        admitted := true;
        delay_ms := 0;
        RETURN;
    END IF;
    at := greatest(clock_timestamp(), p.blocked_until, p.used_until);
    admitted := at <= clock_timestamp() + p_patience_ms * interval '1 millisecond';
    IF admitted THEN
        UPDATE call_paces c SET used_until = at + interval '1 second' / p.rate WHERE c.deployment = p_deployment;
    ELSE
        -- In a row, so that they do not come back together; who is called earlier, by release_paced_jobs(), is not held up by that.
        at := least(greatest(at, p.turns_until), clock_timestamp() + interval '5 minutes');
        UPDATE call_paces c SET turns_until = at + interval '1 second' / p.rate WHERE c.deployment = p_deployment;
    END IF;
    delay_ms := greatest(0, ceil(extract(epoch FROM at - clock_timestamp()) * 1000));
END $$;

-- The deployment has refused a call (p_refused), or says that little is left of what it allows. At most once in half a second: the calls
-- under way all say the same. p_rate is what one worker has asked it a second, p_told what it says it allows.
CREATE FUNCTION lower_pace(p_deployment text, p_refused boolean, p_rate double precision, p_told double precision, p_after_ms bigint)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO call_paces AS c (deployment, rate, full_rate, blocked_until)
    SELECT p_deployment, greatest(slowest_pace(), least(p_told, n.rate) * CASE WHEN p_refused THEN 0.5 ELSE 1 END),
           greatest(1, coalesce(p_told, n.rate)), now() + p_after_ms * interval '1 millisecond'
      FROM (SELECT p_rate * greatest(1, (SELECT count(*) FROM workers w WHERE w.stopped_at IS NULL AND w.last_seen_at > now() - interval '10 seconds')) AS rate) n
    ON CONFLICT (deployment) DO UPDATE
       SET blocked_until = greatest(c.blocked_until, excluded.blocked_until),
           rate = CASE WHEN c.lowered_at > now() - interval '500 milliseconds' THEN c.rate
                       WHEN p_refused THEN greatest(slowest_pace(), c.rate / 2)
                       ELSE greatest(slowest_pace(), coalesce(least(c.rate, p_told), c.rate * 0.9)) END,
           -- Answers in between: what was full before is too fast now.
           full_rate = CASE WHEN p_told IS NOT NULL THEN greatest(1, p_told)
                            WHEN p_refused AND c.raised_at > c.lowered_at THEN greatest(1, 0.7 * c.full_rate + 0.3 * c.rate)
                            ELSE c.full_rate END,
           lowered_at = CASE WHEN c.lowered_at > now() - interval '500 milliseconds' THEN c.lowered_at ELSE now() END
$$;

-- It has answered. A tenth of the way back each half second, then slowly on; when nobody was refused for half a minute and nobody waits, it is over.
CREATE FUNCTION raise_pace(p_deployment text) RETURNS void LANGUAGE sql AS $$
    WITH done AS (
        DELETE FROM call_paces c
         WHERE c.deployment = p_deployment AND c.rate >= c.full_rate AND c.lowered_at < now() - interval '30 seconds'
           AND c.blocked_until < now() AND c.used_until < now() + interval '100 milliseconds'
           AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%'
                                                 AND j.waiting_reason = 'rate_limit:' || p_deployment || ':pace')
        RETURNING 1
    )
    UPDATE call_paces c
       SET rate = CASE WHEN c.rate < c.full_rate THEN least(c.full_rate, c.rate + c.full_rate / 10) ELSE c.rate * 1.01 END,
           full_rate = CASE WHEN c.rate < c.full_rate THEN c.full_rate ELSE c.rate * 1.01 END,
           raised_at = now()
     WHERE c.deployment = p_deployment AND c.raised_at < now() - interval '500 milliseconds' AND NOT EXISTS (SELECT 1 FROM done)
$$;

-- Lets as many of those who wait go on as may be asked until the next round, a quarter of a second later. The urgent go first.
CREATE FUNCTION release_paced_jobs() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    p call_paces;
    reason text;
    room bigint;
    released bigint;
    total bigint := 0;
BEGIN
    DELETE FROM call_paces c WHERE greatest(c.lowered_at, c.raised_at, c.used_until) < now() - interval '10 minutes';
    FOR p IN SELECT * FROM call_paces c WHERE c.blocked_until < now() + interval '250 milliseconds' LOOP
        reason := 'rate_limit:' || p.deployment || ':pace';
        -- A little more than one round's worth may be on its way, so that the pace is kept full.
        room := ceil(p.rate * 0.5) - (SELECT count(*) FROM jobs j
                                       WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%' AND j.waiting_reason = reason
                                         AND (j.status = 1 OR j.due_at <= now()));
        UPDATE jobs j SET due_at = now()
         WHERE j.status = 5
           AND j.id IN (SELECT i.id FROM jobs i
                         WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'rate_limit:%' AND i.waiting_reason = reason
                           AND i.status = 5 AND i.due_at > now()
                         ORDER BY i.priority, i.due_at LIMIT greatest(room, 0) FOR UPDATE SKIP LOCKED);
        GET DIAGNOSTICS released = ROW_COUNT;
        total := total + released;
    END LOOP;
    RETURN total;
END $$;
