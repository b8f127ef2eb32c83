-- Answers without a bound of their caller's are given one where money or tokens are limited (AiBackend.Core/Admission). Expand only.

-- What was set aside last: of those who wait no more are let go on than could be given as much.
ALTER TABLE budgets ADD COLUMN given_usd numeric NOT NULL DEFAULT 0;

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
        ('THEN ''lease'' END
', 'THEN ''lease'' END, NULL::numeric, NULL::bigint
'),
        ('p_run_id, p_run_cost, p_run_tokens)', 'p_run_id, p_run_cost, p_run_tokens, p_longest_amount, p_longest)'),
        ('run_id, run_cost, run_tokens, at)', 'run_id, run_cost, run_tokens, longest_amount, longest, at)'),
        ('blocked_by := NULL; taken := NULL;', 'blocked_by := NULL; taken := NULL; granted_usd := NULL; granted_output := NULL;'),
        -- A repeat is told again what it was given.
        ('SELECT k.state, k.budgets INTO call_state, taken FROM provider_calls k',
         'SELECT k.state, k.budgets,
                       CASE WHEN c.longest_amount IS NOT NULL AND (coalesce(c.max_cost, c.run_cost) IS NOT NULL
                                      OR EXISTS (SELECT 1 FROM budgets x WHERE x.id = ANY (k.budgets) AND x.hard)) THEN k.reserved_usd END,
                       CASE WHEN c.longest IS NOT NULL AND c.run_tokens IS NOT NULL THEN k.reserved_tokens - c.input END
                  INTO call_state, taken, granted_usd, granted_output FROM provider_calls k'),
        -- All that is left, up to what the longest answer costs. Without a limit the likely amount is noted, and nothing holds it.
        ('IF blocked_by IS NULL AND coalesce(c.max_requests,',
         'IF blocked_by IS NULL AND call_state IS NULL AND c.tenant_id IS NOT NULL AND c.longest IS NOT NULL THEN
            SELECT CASE WHEN min(r.room) IS NOT NULL THEN least(c.longest_amount, min(r.room)) END INTO granted_usd FROM (
                SELECT x.limit_usd - x.settled_usd - x.reserved_usd AS room FROM budgets x WHERE x.id = ANY (taken) AND x.hard
                UNION ALL
                SELECT c.max_cost - coalesce(sum(coalesce(k.cost_usd, k.reserved_usd)), 0) FROM provider_calls k
                 WHERE k.job_id = c.job_id AND c.max_cost IS NOT NULL
                UNION ALL
                SELECT c.run_cost - coalesce(sum(coalesce(k.cost_usd, k.reserved_usd)), 0) FROM provider_calls k
                 WHERE k.run_id = c.run_id AND c.run_cost IS NOT NULL) r;
            IF c.run_tokens IS NOT NULL THEN
                SELECT least(c.longest, c.run_tokens - c.input - coalesce(sum(CASE WHEN k.state = 3 OR k.cost_usd = 0 AND k.input_tokens IS NULL THEN 0
                                                                                   ELSE coalesce(k.input_tokens + k.output_tokens, k.reserved_tokens) END), 0))
                  INTO granted_output FROM provider_calls k WHERE k.run_id = c.run_id;
            END IF;
            c.amount := coalesce(granted_usd, c.amount);
        END IF;

        IF blocked_by IS NULL AND coalesce(c.max_requests,'),
        ('SET reserved_usd = x.reserved_usd + c.amount, asked_usd', 'SET reserved_usd = x.reserved_usd + c.amount, given_usd = c.amount, asked_usd'),
        ('THEN c.input + c.output END);', 'THEN c.input + coalesce(granted_output, c.output) END);')
    ) AS p (before, after) LOOP
        IF position(patch.before IN whole) = 0 THEN
            RAISE EXCEPTION 'admit_calls has no %', patch.before;
        END IF;
        whole := replace(whole, patch.before, patch.after);
    END LOOP;
    EXECUTE whole;

    whole := pg_get_functiondef('release_budgeted_jobs'::regproc);
    IF position('ELSE least(200, floor(room / b.asked_usd)) END' IN whole) = 0 THEN
        RAISE EXCEPTION 'release_budgeted_jobs is not what this migration knows';
    END IF;
    EXECUTE replace(whole, 'ELSE least(200, floor(room / b.asked_usd)) END',
                    'WHEN room < b.asked_usd THEN 0
                     -- One of them may take all there is, and give most of it back when it has ended.
                     ELSE least(200, greatest(1, floor(room / greatest(b.asked_usd, b.given_usd)))) END');
END $$;

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
