-- What happens to a call and its money (0015b_money.sql), each step for many calls in one statement (AiBackend.Core/Admission).

-- Writes calls into the ledger, with what they may cost taken from every budget on their path and what they may use from what the
-- deployment allows: all of it, or nothing and what is in the way. Calls whose deployment has no limits and whose path no budget cost
-- one insert together. An epoch that is over is given nothing.
CREATE FUNCTION admit_calls(
    p_window_ms bigint, p_deployment text[], p_provider text[], p_model text[], p_job_id uuid[], p_epoch integer[], p_call smallint[],
    p_level smallint[], p_has_turn boolean[], p_input bigint[], p_output bigint[], p_max_requests bigint[], p_max_input bigint[],
    p_max_output bigint[], p_max_tokens bigint[], p_max_calls bigint[], p_tenant_id uuid[], p_key_id text[], p_feature text[],
    p_end_user text[], p_price_version integer[], p_amount numeric[], p_max_cost numeric[])
RETURNS TABLE (n bigint, call_state smallint, slot bigint, delay_ms bigint, blocked_by text) LANGUAGE plpgsql AS $$
DECLARE
    everything uuid[];
    taken uuid[];
    c record;
    b budgets;
BEGIN
    everything := ARRAY(SELECT DISTINCT x.id FROM unnest(p_tenant_id, p_key_id, p_end_user, p_feature) AS i (tenant_id, key_id, end_user, feature)
                         CROSS JOIN LATERAL unnest(budget_paths(i.tenant_id, i.key_id, i.end_user, i.feature)) AS q (path)
                          JOIN budgets x ON x.path = q.path AND x.deleted_at IS NULL);

    IF cardinality(everything) = 0 AND NOT EXISTS (
        SELECT 1 FROM unnest(p_max_requests, p_max_input, p_max_output, p_max_tokens, p_max_calls, p_max_cost, p_tenant_id) AS i (m1, m2, m3, m4, m5, cost, tenant)
         WHERE coalesce(i.m1, i.m2, i.m3, i.m4, i.m5) IS NOT NULL OR i.cost IS NOT NULL OR i.tenant IS NULL)
    THEN
        RETURN QUERY
            WITH input AS (
                SELECT * FROM unnest(p_job_id, p_epoch, p_call, p_tenant_id, p_key_id, p_feature, p_end_user, p_provider, p_model, p_price_version, p_amount)
                  WITH ORDINALITY AS i (job_id, epoch, call, tenant_id, key_id, feature, end_user, provider, model, price_version, amount, n)
            ), written AS (
                INSERT INTO provider_calls (job_id, lease_epoch, call, state, tenant_id, key_id, feature, end_user, provider, model, price_version, reserved_usd)
                SELECT i.job_id, i.epoch, i.call, 1, i.tenant_id, i.key_id, i.feature, i.end_user, i.provider, i.model, i.price_version, i.amount
                  FROM input i JOIN jobs j ON j.id = i.job_id AND j.status::int = 2 AND j.lease_epoch = i.epoch
                ON CONFLICT DO NOTHING
                RETURNING job_id, lease_epoch, call
            )
            SELECT i.n, CASE WHEN w.job_id IS NOT NULL OR k.state = 1 THEN 1::smallint END, NULL::bigint, 0::bigint,
                   CASE WHEN w.job_id IS NULL AND k.state IS DISTINCT FROM 1 THEN 'lease' END
              FROM input i
              LEFT JOIN written w ON w.job_id = i.job_id AND w.lease_epoch = i.epoch AND w.call = i.call
              -- A repeat after a lost reply.
              LEFT JOIN provider_calls k ON k.job_id = i.job_id AND k.lease_epoch = i.epoch AND k.call = i.call;
        RETURN;
    END IF;

    PERFORM lock_budgets(everything);
    FOR c IN
        SELECT * FROM unnest(p_deployment, p_provider, p_model, p_job_id, p_epoch, p_call, p_level, p_has_turn, p_input, p_output, p_max_requests,
                             p_max_input, p_max_output, p_max_tokens, p_max_calls, p_tenant_id, p_key_id, p_feature, p_end_user, p_price_version,
                             p_amount, p_max_cost)
          WITH ORDINALITY AS i (deployment, provider, model, job_id, epoch, call, level, has_turn, input, output, max_requests,
                                max_input, max_output, max_tokens, max_calls, tenant_id, key_id, feature, end_user, price_version,
                                amount, max_cost, at)
    LOOP
        n := c.at; call_state := NULL; slot := NULL; delay_ms := 0; blocked_by := NULL; taken := NULL;
        -- Calls of nobody's are counted and not written down.
        IF c.tenant_id IS NOT NULL THEN
            IF NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = c.job_id AND j.status::int = 2 AND j.lease_epoch = c.epoch) THEN
                blocked_by := 'lease';
            ELSE
                -- A repeat after a lost reply: it is counted again, but paid for once.
                SELECT k.state, k.budgets INTO call_state, taken FROM provider_calls k
                 WHERE k.job_id = c.job_id AND k.lease_epoch = c.epoch AND k.call = c.call AND k.state::int IN (0, 1);
                IF NOT FOUND THEN
                    taken := ARRAY(SELECT x.id FROM budgets x WHERE x.id = ANY (everything) AND x.path = ANY (budget_paths(c.tenant_id, c.key_id, c.end_user, c.feature)));
                    IF c.amount IS NULL THEN
                        IF c.max_cost IS NOT NULL OR EXISTS (SELECT 1 FROM budgets x WHERE x.id = ANY (taken) AND x.hard) THEN
                            blocked_by := 'budget:unpriced:' || c.deployment;
                        END IF;
                        taken := NULL;
                    ELSIF c.amount + (SELECT coalesce(sum(coalesce(k.cost_usd, k.reserved_usd)), 0) FROM provider_calls k
                                       WHERE k.job_id = c.job_id AND c.max_cost IS NOT NULL) > c.max_cost THEN
                        blocked_by := 'max_cost';
                    ELSE
                        -- Of several the one that opens last; and last of all the one whose whole limit would not do.
                        SELECT x.* INTO b FROM budgets x
                         WHERE x.id = ANY (taken) AND x.hard AND x.settled_usd + x.reserved_usd + c.amount > x.limit_usd
                         ORDER BY c.amount > x.limit_usd DESC, x.period DESC, x.scope LIMIT 1;
                        IF c.amount > b.limit_usd THEN
                            -- Room is of no use to it: it goes on when the limit is another one. Now and then it looks whether it is estimated at less.
                            blocked_by := budget_reason(b, true);
                            delay_ms := 3600000;
                            UPDATE budgets x SET refused_at = now() WHERE x.id = b.id;
                        ELSIF b.id IS NOT NULL THEN
                            blocked_by := budget_reason(b);
                            delay_ms := coalesce(extract(epoch FROM budget_turn(b.period, clock_timestamp()) - clock_timestamp()) * 1000, 3600000)::bigint;
                            -- The least of ten seconds: a large one must not stop small ones that fit, nor one small one let large ones go in circles.
                            UPDATE budgets x
                               SET refused_at = now(), asked_at = now(),
                                   asked_usd = CASE WHEN x.asked_usd > 0 AND x.asked_at > now() - interval '10 seconds' THEN least(x.asked_usd, c.amount) ELSE c.amount END
                             WHERE x.id = b.id;
                        END IF;
                    END IF;
                END IF;
            END IF;
        END IF;

        IF blocked_by IS NULL AND coalesce(c.max_requests, c.max_input, c.max_output, c.max_tokens, c.max_calls) IS NOT NULL THEN
            SELECT r.reserved_slot, r.delay_ms, r.blocked_by INTO slot, delay_ms, blocked_by
              FROM reserve_call(c.deployment, p_window_ms, c.job_id, c.epoch, c.level, c.has_turn, c.input, c.output, c.max_requests, c.max_input,
                                c.max_output, c.max_tokens, c.max_calls) r;
        END IF;

        IF blocked_by IS NOT NULL THEN
            call_state := NULL;
        ELSIF c.tenant_id IS NULL THEN
            call_state := 1;
        ELSIF call_state IS NULL THEN
            IF cardinality(taken) > 0 THEN
                UPDATE budgets x SET reserved_usd = x.reserved_usd + c.amount, asked_usd = CASE WHEN x.asked_usd = 0 THEN c.amount ELSE x.asked_usd END
                 WHERE x.id = ANY (taken)
                   AND NOT EXISTS (SELECT 1 FROM budgets f WHERE f.id = ANY (taken) AND f.hard AND f.settled_usd + f.reserved_usd + c.amount > f.limit_usd);
                IF NOT FOUND THEN
                    RAISE EXCEPTION 'a budget has changed under its lock';
                END IF;
            END IF;
            -- What takes from no budget has nothing to give back: it need not be told apart from what was sent.
            call_state := CASE WHEN cardinality(taken) > 0 THEN 0 ELSE 1 END;
            INSERT INTO provider_calls (job_id, lease_epoch, call, state, tenant_id, key_id, feature, end_user, provider, model, price_version, reserved_usd, budgets)
            VALUES (c.job_id, c.epoch, c.call, call_state, c.tenant_id, c.key_id, c.feature, c.end_user, c.provider, c.model, c.price_version, c.amount,
                    CASE WHEN cardinality(taken) > 0 THEN taken END);
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

-- Ends calls that are open, and corrects one that was booked as unknown: row, budgets and day in one statement. State null ends a call as
-- what it was: a reservation is released, what was sent is unknown and stays at what was reserved.
CREATE FUNCTION close_calls(
    p_job_id uuid[], p_epoch integer[], p_call smallint[], p_state smallint[], p_input bigint[], p_cached bigint[], p_output bigint[],
    p_reasoning bigint[], p_cost numeric[])
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    closed bigint;
BEGIN
    PERFORM lock_budgets(ARRAY(
        SELECT DISTINCT u.id FROM unnest(p_job_id, p_epoch, p_call) AS i (job_id, epoch, call)
          JOIN provider_calls c ON c.job_id = i.job_id AND c.lease_epoch = i.epoch AND c.call = i.call
         CROSS JOIN LATERAL unnest(c.budgets) AS u (id)));
    WITH input AS (
        SELECT DISTINCT ON (i.job_id, i.epoch, i.call) i.*
          FROM unnest(p_job_id, p_epoch, p_call, p_state, p_input, p_cached, p_output, p_reasoning, p_cost)
            AS i (job_id, epoch, call, state, input, cached, output, reasoning, cost)
         ORDER BY i.job_id, i.epoch, i.call
    ), old AS MATERIALIZED (
        SELECT c.*, i.input, i.cached, i.output, i.reasoning, i.cost, coalesce(i.state, CASE c.state WHEN 0 THEN 3 ELSE 4 END)::smallint AS next
          FROM input i JOIN provider_calls c ON c.job_id = i.job_id AND c.lease_epoch = i.epoch AND c.call = i.call
         WHERE c.state::int IN (0, 1) OR c.state::int = 4 AND i.state = 2
           FOR UPDATE OF c
    ), costs AS MATERIALIZED (
        SELECT o.*, CASE o.next WHEN 2 THEN o.cost WHEN 3 THEN 0 ELSE o.reserved_usd END AS new_cost,
               CASE WHEN o.state = 4 THEN 0 ELSE coalesce(o.reserved_usd, 0) END AS freed,
               CASE WHEN o.state = 4 THEN coalesce(o.cost_usd, 0) ELSE 0 END AS booked
          FROM old o
    ), done AS (
        UPDATE provider_calls c
           SET state = o.next, cost_usd = o.new_cost, input_tokens = o.input, cached_tokens = o.cached, output_tokens = o.output,
               reasoning_tokens = o.reasoning, ended_at = coalesce(c.ended_at, now())
          FROM costs o WHERE c.job_id = o.job_id AND c.lease_epoch = o.lease_epoch AND c.call = o.call
    ), paid AS (
        -- What was booked in an earlier window than the one that is counted now is not given back in this one.
        UPDATE budgets b SET reserved_usd = b.reserved_usd - t.freed, settled_usd = b.settled_usd + t.spent
          FROM (SELECT u.id, sum(o.freed) AS freed,
                       sum(CASE WHEN o.ended_at < x.window_at THEN greatest(0, coalesce(o.new_cost, 0) - o.booked)
                                ELSE coalesce(o.new_cost, 0) - o.booked END) AS spent
                  FROM costs o CROSS JOIN LATERAL unnest(o.budgets) AS u (id) JOIN budgets x ON x.id = u.id GROUP BY u.id) t
         WHERE b.id = t.id
    ), counted AS (
        INSERT INTO usage_days AS d
        SELECT (coalesce(o.ended_at, now()) AT TIME ZONE 'UTC')::date, o.tenant_id, coalesce(o.key_id, ''), coalesce(o.end_user, ''),
               coalesce(o.feature, ''), o.provider, o.model,
               count(*) FILTER (WHERE o.state <> 4), count(*) FILTER (WHERE o.new_cost IS NULL) - count(*) FILTER (WHERE o.state = 4 AND o.cost_usd IS NULL),
               count(*) FILTER (WHERE o.next = 4) - count(*) FILTER (WHERE o.state = 4),
               coalesce(sum(o.input), 0), coalesce(sum(o.cached), 0), coalesce(sum(o.output), 0), coalesce(sum(o.reasoning), 0),
               coalesce(sum(o.new_cost) FILTER (WHERE o.next = 2), 0), coalesce(sum(o.new_cost) FILTER (WHERE o.next = 4), 0) - sum(o.booked)
          FROM costs o WHERE o.next <> 3
         GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
        ON CONFLICT (tenant_id, day, key_id, end_user, feature, provider, model) DO UPDATE
           SET calls = d.calls + excluded.calls, unpriced_calls = d.unpriced_calls + excluded.unpriced_calls,
               unknown_calls = d.unknown_calls + excluded.unknown_calls, input_tokens = d.input_tokens + excluded.input_tokens,
               cached_tokens = d.cached_tokens + excluded.cached_tokens, output_tokens = d.output_tokens + excluded.output_tokens,
               reasoning_tokens = d.reasoning_tokens + excluded.reasoning_tokens, cost_usd = d.cost_usd + excluded.cost_usd,
               unknown_usd = d.unknown_usd + excluded.unknown_usd
    )
    SELECT count(*) INTO closed FROM costs;
    RETURN closed;
END $$;

-- The open calls of epochs that are over.
CREATE FUNCTION close_lost_calls(p_job_id uuid[], p_epoch integer[]) RETURNS bigint LANGUAGE sql AS $$
    SELECT close_calls(array_agg(c.job_id), array_agg(c.lease_epoch), array_agg(c.call), array_agg(NULL::smallint), array_agg(NULL::bigint),
                       array_agg(NULL::bigint), array_agg(NULL::bigint), array_agg(NULL::bigint), array_agg(NULL::numeric))
      FROM (SELECT c.* FROM (SELECT x.job_id, max(x.epoch) AS epoch FROM unnest(p_job_id, p_epoch) AS x (job_id, epoch) GROUP BY x.job_id) i
              JOIN provider_calls c ON c.job_id = i.job_id AND c.lease_epoch <= i.epoch AND c.state::int IN (0, 1)
             ORDER BY c.job_id, c.lease_epoch, c.call) c
$$;

-- What nobody settles any more: a worker died after its job had ended, or before it could say so.
CREATE FUNCTION close_abandoned_calls(p_after interval, p_limit integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT close_lost_calls(array_agg(o.job_id), array_agg(o.lease_epoch))
      FROM (SELECT c.job_id, c.lease_epoch FROM provider_calls c
             WHERE c.state IN (0, 1) AND c.reserved_at < now() - p_after
               AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = c.job_id AND j.status::int = 2 AND j.lease_epoch = c.lease_epoch)
             ORDER BY c.job_id, c.lease_epoch LIMIT p_limit) o
$$;

-- Lets jobs that wait for money go on as far as there is room, the urgent first.
CREATE FUNCTION release_budgeted_jobs() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    b budgets;
    reason text;
    too_large text;
    is_replaced boolean;
    room numeric;
    released bigint;
    total bigint := 0;
BEGIN
    FOR b IN SELECT x.* FROM budgets x WHERE x.refused_at IS NOT NULL OR x.deleted_at IS NOT NULL OR x.raised ORDER BY x.id LOOP
        reason := budget_reason(b);
        too_large := budget_reason(b, true);
        -- Who waited for a budget that has ended now waits for the one in its place.
        is_replaced := b.deleted_at IS NOT NULL
                       AND EXISTS (SELECT 1 FROM budgets x WHERE x.path = b.path AND x.period = b.period AND x.deleted_at IS NULL);
        IF NOT is_replaced AND (b.raised OR b.deleted_at IS NOT NULL OR NOT b.hard) THEN
            -- Once for each raise: whom the new limit would not do either says so again.
            UPDATE jobs j SET waiting_reason = reason
             WHERE j.status = 5
               AND j.id IN (SELECT i.id FROM jobs i
                             WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'budget:%' AND i.waiting_reason = too_large
                               AND (b.scope = 0 OR i.tenant_id = b.tenant_id) AND i.status = 5
                             ORDER BY i.priority, i.due_at LIMIT 1000 FOR UPDATE SKIP LOCKED);
            GET DIAGNOSTICS released = ROW_COUNT;
            IF b.raised AND released < 1000 THEN
                -- It has refused nobody, and yet it is looked at while jobs wait.
                UPDATE budgets x SET raised = false, refused_at = coalesce(x.refused_at, '-infinity') WHERE x.id = b.id;
            END IF;
        END IF;

        room := b.limit_usd - b.reserved_usd - CASE WHEN b.window_at < budget_window(b.period, now()) THEN 0 ELSE b.settled_usd END;
        room := CASE WHEN is_replaced THEN 0
                     WHEN b.deleted_at IS NOT NULL OR NOT b.hard THEN 200
                     WHEN room <= 0 THEN 0
                     -- One finds out, also whether others would fit that ask for less than the one that was refused last.
                     WHEN b.asked_usd = 0 OR room < b.asked_usd AND b.asked_at < now() - interval '5 minutes' THEN 1
                     ELSE least(200, floor(room / b.asked_usd)) END;
        IF room > 0 THEN
            -- By priority, so that the index finds those who are due among the many who are not.
            room := room - (SELECT count(*) FROM unnest(ARRAY[0, 1, 2]::smallint[]) AS p (priority)
                             CROSS JOIN LATERAL (SELECT 1 FROM jobs j
                                                  WHERE j.status IN (1, 5) AND j.waiting_reason LIKE 'budget:%' AND j.waiting_reason = reason
                                                    AND (b.scope = 0 OR j.tenant_id = b.tenant_id) AND j.priority = p.priority AND j.due_at <= now()
                                                  LIMIT room) due);
            UPDATE jobs j SET due_at = now()
             WHERE j.status = 5
               AND j.id IN (SELECT i.id FROM jobs i
                             WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'budget:%' AND i.waiting_reason = reason
                               AND (b.scope = 0 OR i.tenant_id = b.tenant_id) AND i.status = 5 AND i.due_at > now()
                             ORDER BY i.priority, i.due_at LIMIT greatest(room, 0) FOR UPDATE SKIP LOCKED);
            GET DIAGNOSTICS released = ROW_COUNT;
            total := total + released;
        END IF;
        -- A job that was just refused is not waiting yet.
        IF is_replaced
           OR greatest(b.refused_at, b.deleted_at) < now() - interval '10 seconds'
              AND NOT EXISTS (SELECT 1 FROM jobs i WHERE i.status IN (1, 5) AND i.waiting_reason LIKE 'budget:%'
                                 AND (i.waiting_reason = reason OR b.deleted_at IS NOT NULL AND i.waiting_reason = too_large)
                                 AND (b.scope = 0 OR i.tenant_id = b.tenant_id))
        THEN
            UPDATE budgets x SET refused_at = NULL, asked_usd = 0 WHERE x.id = b.id AND x.refused_at = b.refused_at;
            DELETE FROM budgets x WHERE x.id = b.id AND x.deleted_at IS NOT NULL AND x.reserved_usd = 0;
        END IF;
    END LOOP;
    RETURN total;
END $$;
