-- What a deployment bore before it refused is what all processes together asked of it, and not one process' share times their number: two that share
-- unevenly came back a quarter too fast. Each says once, in the first two seconds, what it asked; for those that have not said so the others speak.
ALTER TABLE call_paces ADD COLUMN begun_at timestamptz NOT NULL DEFAULT '-infinity', ADD COLUMN asked jsonb NOT NULL DEFAULT '{}';
-- Those that are slowed already began long ago.
ALTER TABLE call_paces ALTER COLUMN begun_at SET DEFAULT now();

CREATE FUNCTION asked_rate(p_asked jsonb) RETURNS double precision LANGUAGE sql STABLE AS $$
    SELECT greatest(1, sum(a.rate::double precision) + avg(a.rate::double precision) * greatest(0, (
               SELECT count(*) FROM workers w WHERE w.stopped_at IS NULL AND w.last_seen_at > now() - interval '10 seconds') - count(*)))
      FROM jsonb_each_text(p_asked) AS a (process, rate)
$$;

CREATE FUNCTION lower_pace(p_deployment text, p_refused boolean, p_rate double precision, p_told double precision, p_after_ms bigint, p_process text)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO call_paces AS c (deployment, rate, full_rate, peak_rate, blocked_until, asked)
    SELECT p_deployment, greatest(slowest_pace(), least(p_told, n.rate) * CASE WHEN p_refused THEN 0.5 ELSE 1 END),
           coalesce(greatest(1, p_told), n.rate), coalesce(greatest(1, p_told), n.rate), now() + p_after_ms * interval '1 millisecond', n.asked
      FROM (SELECT a.asked, asked_rate(a.asked) AS rate FROM (SELECT jsonb_build_object(p_process, p_rate) AS asked) a) n
    ON CONFLICT (deployment) DO UPDATE
       SET blocked_until = greatest(c.blocked_until, excluded.blocked_until),
           rate = CASE WHEN c.lowered_at > now() - interval '500 milliseconds' THEN c.rate
                       WHEN p_refused THEN greatest(slowest_pace(), c.rate / 2)
                       ELSE greatest(slowest_pace(), coalesce(least(c.rate, p_told), c.rate * 0.9)) END,
           -- Answers in between: what was full before is too fast now.
           full_rate = CASE WHEN p_told IS NOT NULL THEN greatest(1, p_told)
                            WHEN c.begun_at > now() - interval '2 seconds' THEN asked_rate(excluded.asked || c.asked)
                            WHEN p_refused AND c.raised_at > c.lowered_at THEN greatest(1, 0.7 * c.full_rate + 0.3 * c.rate)
                            ELSE c.full_rate END,
           peak_rate = CASE WHEN p_told IS NOT NULL THEN greatest(1, p_told)
                            WHEN c.begun_at > now() - interval '2 seconds' THEN asked_rate(excluded.asked || c.asked)
                            ELSE c.peak_rate END,
           -- A process' first word stays: later it has asked less.
           asked = excluded.asked || c.asked,
           lowered_at = CASE WHEN c.lowered_at > now() - interval '500 milliseconds' THEN c.lowered_at ELSE now() END
$$;

-- For workers of the version before; it goes with the next.
CREATE OR REPLACE FUNCTION lower_pace(p_deployment text, p_refused boolean, p_rate double precision, p_told double precision, p_after_ms bigint)
RETURNS void LANGUAGE sql AS $$
    SELECT lower_pace(p_deployment, p_refused, p_rate, p_told, p_after_ms, '')
$$;

-- What waited in the meantime must not drive the rate up while the deployment comes back: beyond the peak only when it has been well for a while.
DO $$
DECLARE
    old text := pg_get_functiondef('raise_pace'::regproc);
    changed text := replace(old, 'ELSE p.rate * 1.01 END',
                                 'WHEN p.rate < p.peak_rate OR p.lowered_at < now() - interval ''30 seconds'' THEN p.rate * 1.01 ELSE p.rate END');
BEGIN
    IF changed = old THEN
        RAISE EXCEPTION 'raise_pace is not what this migration knows';
    END IF;
    EXECUTE changed;
END $$;
