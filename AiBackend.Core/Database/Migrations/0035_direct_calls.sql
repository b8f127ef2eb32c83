-- Calls that are made while their caller waits, of no job (embeddings): in the ledger under an id of their own and the epoch 0, which no lease
-- has. What asks whether a call's job is still held lets them pass. The functions are patched and not repeated, so that there is one text of each.
DO $$
DECLARE
    patch record;
    old text;
BEGIN
    FOR patch IN SELECT * FROM (VALUES
        -- The insert of many: a call of no job has no row to join.
        ('admit_calls', 'FROM input i JOIN jobs j ON j.id = i.job_id AND j.status::int = 2 AND j.lease_epoch = i.epoch',
                        'FROM input i WHERE i.epoch = 0 OR EXISTS (SELECT 1 FROM jobs j WHERE j.id = i.job_id AND j.status::int = 2 AND j.lease_epoch = i.epoch)'),
        ('admit_calls', 'IF NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = c.job_id AND j.status::int = 2 AND j.lease_epoch = c.epoch) THEN',
                        'IF c.epoch <> 0 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = c.job_id AND j.status::int = 2 AND j.lease_epoch = c.epoch) THEN'),
        -- Open as long as the ledger has it open.
        ('count_open_calls', 'AND NOT EXISTS (SELECT 1 FROM jobs j',
                             'AND NOT EXISTS (SELECT 1 FROM provider_calls c WHERE o.lease_epoch = 0 AND c.job_id = o.job_id AND c.lease_epoch = 0 AND c.state::int IN (0, 1))
       AND NOT EXISTS (SELECT 1 FROM jobs j'),
        -- Nobody can see whether its caller lives; it has at most ten minutes (RoutedEmbeddings.Longest).
        ('close_abandoned_calls', 'AND NOT EXISTS (SELECT 1 FROM jobs j',
                                  'AND (c.lease_epoch <> 0 OR c.reserved_at < now() - greatest(p_after, interval ''12 minutes''))
               AND NOT EXISTS (SELECT 1 FROM jobs j')
    ) AS p (name, before, after) LOOP
        old := pg_get_functiondef(patch.name::regproc);
        IF position(patch.before IN old) = 0 THEN
            RAISE EXCEPTION '% is not what this migration knows', patch.name;
        END IF;
        EXECUTE replace(old, patch.before, patch.after);
    END LOOP;
END $$;
