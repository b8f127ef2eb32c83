-- The event of a job that comes back to the queue, with its place and its wait as for one that is new (AiBackend.Core/Queue/Outlook/LineOutlook.cs).
-- Of one that must run alone (RescueJobs.AloneAfter) its place among the others says nothing. The quantiles are those of Forecast.cs; older than ten seconds the outlook says nothing, as there.
CREATE FUNCTION queued_event(p_attempt smallint, p_priority smallint, p_pool text, p_crashes smallint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT '{"status":"queued","attempt":' || p_attempt || CASE WHEN p_crashes >= 2 THEN ',"waiting_reason":"isolation"' ELSE coalesce((
        SELECT ',"waiting_reason":"capacity","position":' || n.ahead || coalesce(
                   ',"eta_p50":' || trim_scale(round((n.ends * power(n.root, 3) / n.per_second)::numeric, 2))
                   || ',"eta_p90":' || trim_scale(round((n.ends * power(n.root + 1.2816 / (3 * sqrt(n.ends)), 3) / n.per_second)::numeric, 2)), '')
          FROM (SELECT a.ahead, a.ahead + 1.0::float8 AS ends, 1 - 1 / (9 * (a.ahead + 1.0::float8)) AS root,
                       CASE WHEN o.per_second > 0.001 THEN o.per_second END AS per_second
                  FROM line_outlook o
                 CROSS JOIN LATERAL (SELECT sum(w) AS ahead FROM unnest(o.waiting[1 : p_priority + 1]) w) a
                 WHERE o.at > now() - interval '10 seconds' AND p_pool = 'default' AND a.ahead > 0) n), '') END || '}'
$$;
