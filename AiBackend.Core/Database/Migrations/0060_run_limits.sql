-- What all calls of a run's steps may use together: counted in the ledger by the run, one admission of a run at a time. Calls of no limited
-- run are admitted as before. The function is patched and not repeated, so that there is one text of it.
ALTER TABLE provider_calls ADD COLUMN run_id uuid, ADD COLUMN reserved_tokens bigint;
CREATE INDEX provider_calls_run ON provider_calls (run_id) WHERE run_id IS NOT NULL;

DO $$
DECLARE
    patch record;
    whole text := pg_get_functiondef('admit_calls'::regproc);
BEGIN
    FOR patch IN SELECT * FROM (VALUES
        ('p_max_cost numeric[])', 'p_max_cost numeric[], p_run_id uuid[], p_run_cost numeric[], p_run_tokens bigint[])'),
        ('p_max_cost, p_tenant_id) AS i (m1, m2, m3, m4, m5, cost, tenant)', 'p_max_cost, p_tenant_id, p_run_id) AS i (m1, m2, m3, m4, m5, cost, tenant, run)'),
        ('OR i.cost IS NOT NULL OR i.tenant IS NULL)', 'OR i.cost IS NOT NULL OR i.tenant IS NULL OR i.run IS NOT NULL)'),
        ('PERFORM lock_budgets(everything);', 'PERFORM lock_budgets(everything);
    PERFORM pg_advisory_xact_lock(hashtextextended(''run/'' || r.id, 60))
       FROM (SELECT DISTINCT u.id FROM unnest(p_run_id) AS u (id) WHERE u.id IS NOT NULL ORDER BY u.id) r;'),
        ('p_amount, p_max_cost)', 'p_amount, p_max_cost, p_run_id, p_run_cost, p_run_tokens)'),
        ('amount, max_cost, at)', 'amount, max_cost, run_id, run_cost, run_tokens, at)'),
        ('IF c.amount IS NULL THEN', 'IF c.run_id IS NOT NULL THEN
                        SELECT CASE WHEN coalesce(sum(coalesce(k.cost_usd, k.reserved_usd)), 0) + c.amount > c.run_cost THEN ''run_cost''
                                    WHEN coalesce(sum(CASE WHEN k.state = 3 OR k.cost_usd = 0 AND k.input_tokens IS NULL THEN 0
                                                           ELSE coalesce(k.input_tokens + k.output_tokens, k.reserved_tokens) END), 0)
                                         + c.input + c.output > c.run_tokens THEN ''run_tokens'' END
                          INTO blocked_by FROM provider_calls k WHERE k.run_id = c.run_id;
                    END IF;
                    IF blocked_by IS NOT NULL THEN
                        taken := NULL;
                    ELSIF c.amount IS NULL THEN'),
        ('IF c.max_cost IS NOT NULL OR EXISTS', 'IF c.max_cost IS NOT NULL OR c.run_cost IS NOT NULL OR EXISTS'),
        ('provider, model, price_version, reserved_usd, budgets)', 'provider, model, price_version, reserved_usd, budgets, run_id, reserved_tokens)'),
        ('CASE WHEN cardinality(taken) > 0 THEN taken END);',
         'CASE WHEN cardinality(taken) > 0 THEN taken END, c.run_id, CASE WHEN c.run_id IS NOT NULL THEN c.input + c.output END);')
    ) AS p (before, after) LOOP
        IF position(patch.before IN whole) = 0 THEN
            RAISE EXCEPTION 'admit_calls has no %', patch.before;
        END IF;
        whole := replace(whole, patch.before, patch.after);
    END LOOP;
    -- With more arguments it is another function beside the one that workers of the version before call.
    EXECUTE whole;
END $$;

-- For workers of the version before; it goes with the next. Until then a patch has to name the arguments (regprocedure).
CREATE OR REPLACE FUNCTION admit_calls(
    p_window_ms bigint, p_deployment text[], p_provider text[], p_model text[], p_job_id uuid[], p_epoch integer[], p_call smallint[],
    p_level smallint[], p_has_turn boolean[], p_input bigint[], p_output bigint[], p_max_requests bigint[], p_max_input bigint[],
    p_max_output bigint[], p_max_tokens bigint[], p_max_calls bigint[], p_tenant_id uuid[], p_key_id text[], p_feature text[],
    p_end_user text[], p_price_version integer[], p_amount numeric[], p_max_cost numeric[])
RETURNS TABLE (n bigint, call_state smallint, slot bigint, delay_ms bigint, blocked_by text) LANGUAGE sql AS $$
    SELECT * FROM admit_calls(p_window_ms, p_deployment, p_provider, p_model, p_job_id, p_epoch, p_call, p_level, p_has_turn, p_input, p_output,
                              p_max_requests, p_max_input, p_max_output, p_max_tokens, p_max_calls, p_tenant_id, p_key_id, p_feature,
                              p_end_user, p_price_version, p_amount, p_max_cost, NULL::uuid[], NULL::numeric[], NULL::bigint[])
$$;
