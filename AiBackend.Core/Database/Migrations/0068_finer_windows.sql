-- Slots of half a second in place of whole ones. A window holds the slots of a minute, the one that is half over at its begin, and one more for the
-- time from the count to the provider: 62 slots of a second are 2 s more than the minute, and 122 of half a second 1 s. So much sooner is there room
-- again, and a provider is asked for 98.8 % of what it allows in place of 97.5 %. A slot is rounded up, so that short windows are whole ones too. What a window of the old length holds counts as now.
DO $$
DECLARE
    f record;
    changed text;
    patched text[] := '{}';
BEGIN
    FOR f IN SELECT p.oid, p.proname::text AS name FROM pg_proc p
              WHERE p.pronamespace = current_schema()::regnamespace AND p.prosrc ~ '% 62 \+ 1|ARRAY\[62\]|p_window_ms / 60' ORDER BY 2
    LOOP
        changed := regexp_replace(pg_get_functiondef(f.oid), '\m62\M', '122', 'g');
        changed := regexp_replace(changed, '\m61\M', '121', 'g');
        changed := replace(replace(changed, 'p_window_ms / 60', '(p_window_ms + 119) / 120'), 'slot_ms * 60)', 'slot_ms * 120)');
        -- The quickest of the last five seconds.
        changed := replace(changed, 'generate_series(1, 5)', 'generate_series(1, 10)');
        EXECUTE changed;
        patched := patched || f.name;
    END LOOP;
    IF patched <> ARRAY['call_interval', 'call_wait', 'call_window', 'limit_flows', 'reserve_call', 'rolled_window', 'room_under_limits', 'settle_calls'] THEN
        RAISE EXCEPTION 'This migration knows other functions than %', patched;
    END IF;
END $$;

UPDATE call_windows c
   SET slot_ms = n.slot_ms, slot = n.slot,
       requests      = ARRAY(SELECT CASE s WHEN n.slot % 122 THEN (SELECT sum(x) FROM unnest(c.requests) x)::bigint ELSE 0 END FROM generate_series(0, 121) s),
       input_tokens  = ARRAY(SELECT CASE s WHEN n.slot % 122 THEN (SELECT sum(x) FROM unnest(c.input_tokens) x)::bigint ELSE 0 END FROM generate_series(0, 121) s),
       output_tokens = ARRAY(SELECT CASE s WHEN n.slot % 122 THEN (SELECT sum(x) FROM unnest(c.output_tokens) x)::bigint ELSE 0 END FROM generate_series(0, 121) s)
  FROM (SELECT deployment, greatest(1, o.slot_ms / 2) AS slot_ms, (extract(epoch FROM clock_timestamp()) * 1000)::bigint / greatest(1, o.slot_ms / 2) AS slot
          FROM call_windows o) n
 WHERE n.deployment = c.deployment;
