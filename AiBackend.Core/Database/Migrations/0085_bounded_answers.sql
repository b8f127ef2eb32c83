-- Answers without a bound of their caller's are given one where money or tokens are limited (AiBackend.Core/Admission, docs/adr/0034). Expand only.

-- What was set aside last of budgets for an answer without a bound: of those who wait no more are let go on than could be given as much.
ALTER TABLE budgets ADD COLUMN given_usd numeric NOT NULL DEFAULT 0;

-- What such a call is likely to cost: so much counts against its job's and its run's limits while it is open, which its siblings share, and of
-- budgets when nobody knows how it ended.
ALTER TABLE provider_calls ADD COLUMN expected_usd numeric;

-- The functions are patched and not repeated, so that there is one text of each.
DO $$
DECLARE
    patch record;
    whole text := pg_get_functiondef(
        'admit_calls(bigint, text[], text[], text[], uuid[], integer[], smallint[], smallint[], boolean[], bigint[], bigint[], bigint[], bigint[], bigint[],
                     bigint[], bigint[], uuid[], text[], text[], text[], integer[], numeric[], numeric[], uuid[], numeric[], bigint[])'::regprocedure);
BEGIN
    FOR patch IN SELECT * FROM (VALUES
        ('p_run_tokens bigint[])', 'p_run_tokens bigint[], p_longest_amount numeric[], p_longest bigint[])'),
        ('delay_ms bigint, blocked_by text)', 'delay_ms bigint, blocked_by text, granted_usd numeric, granted_output bigint)'),
        ('    b budgets;
', '    b budgets;
    likely numeric;
    room numeric;
    own_usd numeric;
    run_usd numeric;
    run_used numeric;
'),
        ('THEN ''lease'' END
', 'THEN ''lease'' END, NULL::numeric, NULL::bigint
'),
        ('p_run_id, p_run_cost, p_run_tokens)', 'p_run_id, p_run_cost, p_run_tokens, p_longest_amount, p_longest)'),
        ('run_id, run_cost, run_tokens, at)', 'run_id, run_cost, run_tokens, longest_amount, longest, at)'),
        ('blocked_by := NULL; taken := NULL;', 'blocked_by := NULL; taken := NULL; granted_usd := NULL; granted_output := NULL;
        likely := c.amount; room := NULL; own_usd := NULL; run_usd := NULL; run_used := NULL;'),
        ('                -- A repeat after a lost reply: it is counted again, but paid for once.
                SELECT k.state, k.budgets INTO call_state, taken FROM provider_calls k',
         '                IF c.max_cost IS NOT NULL THEN
                    SELECT coalesce(sum(coalesce(k.cost_usd, k.expected_usd, k.reserved_usd)), 0)
                      INTO own_usd FROM provider_calls k WHERE k.job_id = c.job_id AND (k.lease_epoch, k.call) <> (c.epoch, c.call);
                END IF;
                IF c.run_id IS NOT NULL THEN
                    SELECT coalesce(sum(coalesce(k.cost_usd, k.expected_usd, k.reserved_usd)), 0),
                           coalesce(sum(CASE WHEN k.state = 3 OR k.cost_usd = 0 AND k.input_tokens IS NULL THEN 0
                                             ELSE coalesce(k.input_tokens + k.output_tokens, k.reserved_tokens) END), 0)
                      INTO run_usd, run_used FROM provider_calls k
                     WHERE k.run_id = c.run_id AND (k.job_id, k.lease_epoch, k.call) <> (c.job_id, c.epoch, c.call);
                END IF;
                -- A repeat after a lost reply: it is counted again, but paid for once, and given the same bound.
                SELECT k.state, k.budgets, CASE WHEN EXISTS (SELECT 1 FROM budgets x WHERE x.id = ANY (k.budgets) AND x.hard) THEN k.reserved_usd END
                  INTO call_state, taken, room FROM provider_calls k'),
        ('                    IF c.run_id IS NOT NULL THEN
                        SELECT CASE WHEN coalesce(sum(coalesce(k.cost_usd, k.reserved_usd)), 0) + c.amount > c.run_cost THEN ''run_cost''
                                    WHEN coalesce(sum(CASE WHEN k.state = 3 OR k.cost_usd = 0 AND k.input_tokens IS NULL THEN 0
                                                           ELSE coalesce(k.input_tokens + k.output_tokens, k.reserved_tokens) END), 0)
                                         + c.input + c.output > c.run_tokens THEN ''run_tokens'' END
                          INTO blocked_by FROM provider_calls k WHERE k.run_id = c.run_id;
                    END IF;
',
         '                    blocked_by := CASE WHEN run_usd + c.amount > c.run_cost THEN ''run_cost''
                                       WHEN run_used + c.input + least(c.output, c.longest) > c.run_tokens THEN ''run_tokens'' END;
'),
        ('ELSIF c.amount + (SELECT coalesce(sum(coalesce(k.cost_usd, k.reserved_usd)), 0) FROM provider_calls k
                                       WHERE k.job_id = c.job_id AND c.max_cost IS NOT NULL) > c.max_cost THEN',
         'ELSIF own_usd + c.amount > c.max_cost THEN'),
        -- All that is left, up to what the longest answer costs. Of budgets so much is set aside; of a job''s and a run''s own limits, which are shared by
        -- few calls one after the other, what is likely. Where nothing is limited there is no bound.
        ('IF blocked_by IS NULL AND coalesce(c.max_requests,',
         'IF blocked_by IS NULL AND c.tenant_id IS NOT NULL AND c.longest IS NOT NULL THEN
            IF call_state IS NULL THEN
                room := (SELECT min(x.limit_usd - x.settled_usd - x.reserved_usd) FROM budgets x WHERE x.id = ANY (taken) AND x.hard);
            END IF;
            IF coalesce(room, c.max_cost - own_usd, c.run_cost - run_usd) IS NOT NULL THEN
                granted_usd := least(c.longest_amount, room, c.max_cost - own_usd, c.run_cost - run_usd);
            END IF;
            granted_output := CASE WHEN c.run_tokens IS NOT NULL THEN least(c.longest, c.run_tokens - run_used - c.input) END;
            IF call_state IS NOT NULL THEN
                -- Of a repeat, siblings may have taken what was left.
                granted_usd := CASE WHEN granted_usd IS NOT NULL THEN greatest(granted_usd, likely) END;
                granted_output := CASE WHEN granted_output IS NOT NULL THEN greatest(granted_output, least(c.output, c.longest)) END;
            END IF;
            IF room IS NOT NULL THEN
                c.amount := granted_usd;
            END IF;
        END IF;

        IF blocked_by IS NULL AND coalesce(c.max_requests,'),
        ('SET reserved_usd = x.reserved_usd + c.amount, asked_usd = CASE WHEN x.asked_usd = 0 THEN c.amount ELSE',
         'SET reserved_usd = x.reserved_usd + c.amount, given_usd = CASE WHEN room IS NULL THEN x.given_usd ELSE c.amount END,
                                     asked_usd = CASE WHEN x.asked_usd = 0 THEN likely ELSE'),
        ('provider, model, price_version, reserved_usd, budgets, run_id, reserved_tokens)', 'provider, model, price_version, reserved_usd, budgets, run_id, reserved_tokens, expected_usd)'),
        ('THEN c.input + c.output END);', 'THEN c.input + least(c.output, c.longest) END, CASE WHEN room IS NOT NULL THEN likely END);')
    ) AS p (before, after) LOOP
        IF position(patch.before IN whole) = 0 THEN
            RAISE EXCEPTION 'admit_calls has no %', patch.before;
        END IF;
        whole := replace(whole, patch.before, patch.after);
    END LOOP;
    EXECUTE whole;

    whole := pg_get_functiondef('close_calls'::regproc);
    IF position('WHEN 3 THEN 0 ELSE o.reserved_usd END AS new_cost' IN whole) = 0 THEN
        RAISE EXCEPTION 'close_calls is not what this migration knows';
    END IF;
    EXECUTE replace(whole, 'WHEN 3 THEN 0 ELSE o.reserved_usd END AS new_cost', 'WHEN 3 THEN 0 ELSE coalesce(o.expected_usd, o.reserved_usd) END AS new_cost');

    whole := pg_get_functiondef('release_budgeted_jobs'::regproc);
    FOR patch IN SELECT * FROM (VALUES
        -- One of them may take all there is, and give most of it back when it has ended.
        ('ELSE least(200, floor(room / b.asked_usd)) END',
         'WHEN room < b.asked_usd THEN 0
                     ELSE least(200, greatest(1, floor(room / greatest(b.asked_usd, b.given_usd)))) END'),
        ('SET refused_at = NULL, asked_usd = 0', 'SET refused_at = NULL, asked_usd = 0, given_usd = 0')
    ) AS p (before, after) LOOP
        IF position(patch.before IN whole) = 0 THEN
            RAISE EXCEPTION 'release_budgeted_jobs has no %', patch.before;
        END IF;
        whole := replace(whole, patch.before, patch.after);
    END LOOP;
    EXECUTE whole;
END $$;

DROP TRIGGER audit ON budgets;
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR UPDATE OF limit_usd, hard, thresholds, deleted_at ON budgets
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION audit_change('budget', '{id}', '{window_at,settled_usd,reserved_usd,asked_usd,asked_at,refused_at,raised,set_by,given_usd}');

-- For workers of the version before, which set no bound.
CREATE OR REPLACE FUNCTION admit_calls(
    p_window_ms bigint, p_deployment text[], p_provider text[], p_model text[], p_job_id uuid[], p_epoch integer[], p_call smallint[],
    p_level smallint[], p_has_turn boolean[], p_input bigint[], p_output bigint[], p_max_requests bigint[], p_max_input bigint[],
    p_max_output bigint[], p_max_tokens bigint[], p_max_calls bigint[], p_tenant_id uuid[], p_key_id text[], p_feature text[],
    p_end_user text[], p_price_version integer[], p_amount numeric[], p_max_cost numeric[], p_run_id uuid[], p_run_cost numeric[], p_run_tokens bigint[])
RETURNS TABLE (n bigint, call_state smallint, slot bigint, delay_ms bigint, blocked_by text) LANGUAGE sql AS $$
    SELECT a.n, a.call_state, a.slot, a.delay_ms, a.blocked_by
      FROM admit_calls(p_window_ms, p_deployment, p_provider, p_model, p_job_id, p_epoch, p_call, p_level, p_has_turn, p_input, p_output,
                       p_max_requests, p_max_input, p_max_output, p_max_tokens, p_max_calls, p_tenant_id, p_key_id, p_feature,
                       p_end_user, p_price_version, p_amount, p_max_cost, p_run_id, p_run_cost, p_run_tokens, NULL::numeric[], NULL::bigint[]) a
$$;
