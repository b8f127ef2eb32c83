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

-- As many as may be asked until the next round, a quarter of a second later, and a little more, so that the pace is kept full.
CREATE OR REPLACE FUNCTION release_paced_jobs() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM call_paces c WHERE greatest(c.lowered_at, c.raised_at, c.used_until) < now() - interval '10 minutes';
    RETURN (SELECT coalesce(sum(release_rate_limited(ARRAY['rate_limit:' || p.deployment || ':pace'], ceil(p.rate * 0.5)::bigint)), 0)
              FROM call_paces p WHERE p.blocked_until < now() + interval '250 milliseconds');
END $$;
