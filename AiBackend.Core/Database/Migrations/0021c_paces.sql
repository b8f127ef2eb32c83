-- Back to full speed also after a long time in which some calls were refused and others not: full_rate has come down to what was too fast then,
-- and nobody says when that is over. peak_rate is what the deployment bore before. While nobody is refused for 5 s the rate grows the faster
-- the longer that lasts, up to the peak; above it slowly, as before.
ALTER TABLE call_paces ADD COLUMN peak_rate double precision NOT NULL DEFAULT 0;
UPDATE call_paces SET peak_rate = full_rate;

CREATE OR REPLACE FUNCTION lower_pace(p_deployment text, p_refused boolean, p_rate double precision, p_told double precision, p_after_ms bigint)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO call_paces AS c (deployment, rate, full_rate, peak_rate, blocked_until)
    SELECT p_deployment, greatest(slowest_pace(), least(p_told, n.rate) * CASE WHEN p_refused THEN 0.5 ELSE 1 END),
           greatest(1, coalesce(p_told, n.rate)), greatest(1, coalesce(p_told, n.rate)), now() + p_after_ms * interval '1 millisecond'
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
           peak_rate = CASE WHEN p_told IS NOT NULL THEN greatest(1, p_told) ELSE c.peak_rate END,
           lowered_at = CASE WHEN c.lowered_at > now() - interval '500 milliseconds' THEN c.lowered_at ELSE now() END
$$;

-- It has answered. A tenth of the way back each half second, then slowly on, or faster as above; when nobody was refused for half a minute and
-- nobody waits, it is over.
CREATE OR REPLACE FUNCTION raise_pace(p_deployment text) RETURNS void LANGUAGE sql AS $$
    WITH done AS (
        DELETE FROM call_paces c
         WHERE c.deployment = p_deployment AND c.rate >= c.full_rate AND c.lowered_at < now() - interval '30 seconds'
           AND c.blocked_until < now() AND c.used_until < now() + interval '100 milliseconds'
           AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%'
                                                 AND j.waiting_reason = 'rate_limit:' || p_deployment || ':pace')
        RETURNING 1
    )
    UPDATE call_paces c
       SET rate = n.rate, full_rate = greatest(c.full_rate, n.rate), peak_rate = greatest(c.peak_rate, n.rate), raised_at = now()
      FROM (SELECT p.deployment,
                   greatest(CASE WHEN p.rate < p.full_rate THEN least(p.full_rate, p.rate + p.full_rate / 10) ELSE p.rate * 1.01 END,
                            least(p.peak_rate, p.rate * least(2, 1 + (extract(epoch FROM now() - greatest(p.lowered_at, p.blocked_until)) - 5) / 10))) AS rate
              FROM call_paces p WHERE p.deployment = p_deployment) n
     WHERE c.deployment = n.deployment AND c.raised_at < now() - interval '500 milliseconds' AND NOT EXISTS (SELECT 1 FROM done)
$$;
