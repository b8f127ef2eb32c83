-- What callers are told of their wait for a provider's limit (AiBackend.Core/Queue/Outlook): a row for each limit that somebody waits for, which the
-- leader keeps and every Api and worker reads.
CREATE TABLE limit_outlook (
    name            text             PRIMARY KEY,   -- the deployment, as provider/model, or its pace
    at              timestamptz      NOT NULL,
    reason          text             NOT NULL,      -- what most of those who wait say they wait for
    models          text[]           NOT NULL,      -- what they ask for; who asks for it now will wait too
    levels          smallint[]       NOT NULL,      -- their lines: of each level and tenant
    tenants         uuid[]           NOT NULL,
    tiers           text[]           NOT NULL,
    waiting         integer[]        NOT NULL,      -- how many there are, counted up to 10 000
    slot_seconds    double precision NOT NULL,
    leaving         bigint[]         NOT NULL,      -- calls that leave the window, and make room for as many, at the end of this slot, of the next one, ...; none when it is no window
    per_second      double precision NOT NULL,      -- calls let go on
    blocked_seconds double precision NOT NULL       -- none before that
) WITH (fillfactor = 50);

-- Which tenants have jobs that wait for this at this level: from tenant to tenant by one descent of the index each.
CREATE FUNCTION limited_tenants(p_reason text, p_priority smallint) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    WITH RECURSIVE tenants AS (
        (SELECT j.tenant_id FROM jobs j
          WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%' AND j.waiting_reason = p_reason AND j.priority = p_priority
          ORDER BY j.tenant_id LIMIT 1)
        UNION ALL
        SELECT n.tenant_id FROM tenants b CROSS JOIN LATERAL (
            SELECT j.tenant_id FROM jobs j
             WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%' AND j.waiting_reason = p_reason AND j.priority = p_priority
               AND j.tenant_id > b.tenant_id
             ORDER BY j.tenant_id LIMIT 1) n
    )
    SELECT tenant_id FROM tenants
$$;

-- How many of its tenant's jobs go before one that waits for a limit.
CREATE FUNCTION limited_ahead(p_reason text, p_priority smallint, p_tenant uuid, p_id uuid) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM (SELECT 1 FROM jobs j
                           WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'rate_limit:%' AND j.waiting_reason = p_reason AND j.priority = p_priority
                             AND j.tenant_id = p_tenant AND j.id < p_id LIMIT 10000) ahead
$$;

-- How fast each limit lets calls go on.
CREATE FUNCTION limit_flows() RETURNS TABLE (name text, reasons text[], slot_seconds double precision, leaving bigint[], per_second double precision,
                                             blocked_seconds double precision) LANGUAGE sql AS $$
    SELECT w.deployment, limit_reasons(w.deployment), w.slot_ms / 1000.0, l.leaving, (SELECT sum(n) FROM unnest(w.requests) n) / (62 * w.slot_ms / 1000.0), 0
      FROM call_windows c
     CROSS JOIN LATERAL rolled_window(c, c.slot_ms * 60) w
     CROSS JOIN LATERAL (SELECT ARRAY(SELECT w.requests[(w.slot - ago) % 62 + 1] FROM generate_series(61, 0, -1) ago) AS leaving) l
    UNION ALL
    SELECT p.deployment || ':pace', ARRAY['rate_limit:' || p.deployment || ':pace'], 0, '{}', p.rate,
           greatest(0, extract(epoch FROM CASE WHEN p.blocked_until > now() THEN p.blocked_until - now() ELSE '0' END))
      FROM call_paces p
$$;

-- When a job first did what it is for, in an attempt that was not only told to wait: what its caller was told at the beginning, in seconds from its
-- acceptance (eta_p50, eta_p90), is laid beside it.
ALTER TABLE jobs ADD COLUMN began_at timestamptz;
