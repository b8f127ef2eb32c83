-- What the tables need to stay quick and complete when there is much in them. Expand only: an index of a large table is built while
-- writes to it wait (docs/operations.md, Upgrades).

-- The default pool's line. jobs_queued holds every pool's jobs, so that a long line of one pool lay in the way of the others; it stays
-- for the version before this one, and nothing of this version needs it: a later release drops it.
CREATE INDEX jobs_queued_unpooled ON jobs (priority, id) WHERE status = 1 AND pool = 'default';
-- Jobs that wait for a tool or a person: the last look before a partition is dropped.
CREATE INDEX jobs_waiting ON jobs (id) WHERE status IN (3, 4);

-- How a bulk action and its new jobs ended, once all of them have; until then it is counted by whoever asks.
ALTER TABLE bulk_actions
    ADD COLUMN counted_at  timestamptz,
    ADD COLUMN waiting     integer,
    ADD COLUMN done        integer,
    ADD COLUMN skipped     integer,
    ADD COLUMN succeeded   integer,
    ADD COLUMN failed      integer,
    ADD COLUMN cancelled   integer;
CREATE INDEX bulk_actions_uncounted ON bulk_actions (next_step_at) WHERE status <> 0 AND counted_at IS NULL; -- the leader

-- As before, and also by the jobs that wait for a tool or a person. Every look has an index.
CREATE OR REPLACE FUNCTION drop_job_partition(suffix text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    has_open boolean;
    parent text;
BEGIN
    DELETE FROM dead_letters d USING job_partitions() p
     WHERE p.suffix = drop_job_partition.suffix AND (p.from_id IS NULL OR d.job_id >= p.from_id) AND d.job_id < p.to_id;
    DELETE FROM job_waits w USING job_partitions() p
     WHERE p.suffix = drop_job_partition.suffix AND (p.from_id IS NULL OR w.job_id >= p.from_id) AND w.job_id < p.to_id;
    LOCK TABLE jobs, job_payloads, job_outputs, job_events, job_attempts IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %1$I WHERE status = 1 AND pool = ''default'')
                        OR EXISTS (SELECT 1 FROM %1$I WHERE status = 1 AND pool <> ''default'')
                        OR EXISTS (SELECT 1 FROM %1$I WHERE status = 2)
                        OR EXISTS (SELECT 1 FROM %1$I WHERE status IN (0, 5))
                        OR EXISTS (SELECT 1 FROM %1$I WHERE status IN (3, 4))', 'jobs_' || suffix) INTO has_open;
    IF has_open THEN
        RAISE EXCEPTION 'partition % has an unfinished job again', suffix USING ERRCODE = 'AI002';
    END IF;
    FOREACH parent IN ARRAY job_tables() LOOP
        EXECUTE format('DROP TABLE %I', parent || '_' || suffix);
    END LOOP;
END $$;

-- A partition of each table for the ids from first_id up to end_id, with the jobs of it that lie in the default partition.
CREATE FUNCTION add_job_week(suffix text, first_id uuid, end_id uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    key text;
BEGIN
    -- Or a job that moves would be in no table for a statement that began before.
    LOCK TABLE jobs, job_payloads, job_outputs, job_events, job_attempts IN ACCESS EXCLUSIVE MODE;
    FOREACH parent IN ARRAY job_tables() LOOP
        key := CASE parent WHEN 'jobs' THEN 'id' ELSE 'job_id' END;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES)', parent || '_' || suffix, parent)
             || CASE parent WHEN 'jobs'
                     THEN ' WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)'
                     ELSE '' END;
        EXECUTE format('WITH moved AS (DELETE FROM %1$I WHERE %3$I >= %4$L AND %3$I < %5$L RETURNING *) INSERT INTO %2$I SELECT * FROM moved',
                       parent || '_default', parent || '_' || suffix, key, first_id, end_id);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, parent || '_' || suffix, first_id, end_id);
    END LOOP;
END $$;

-- As before, but a week of which jobs lie in the default partition takes them in. All tables are locked meanwhile, so no more than a
-- thousand: a week with more stays in the default partition, and its jobs are deleted there one day.
CREATE OR REPLACE FUNCTION add_job_partitions(until timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    week timestamptz := date_trunc('week', now(), 'UTC');
    first_id uuid;
    end_id uuid;
    made integer := 0;
BEGIN
    WHILE week < until LOOP
        first_id := first_job_id(week);
        end_id := first_job_id(week + interval '168 hours');
        IF NOT EXISTS (SELECT 1 FROM job_partitions() WHERE to_id > first_id)
           AND NOT EXISTS (SELECT 1 FROM jobs_default WHERE id >= first_id AND id < end_id OFFSET 1000)
        THEN
            PERFORM add_job_week('w' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD'), first_id, end_id);
            made := made + 1;
        END IF;
        week := week + interval '168 hours';
    END LOOP;
    RETURN made;
END $$;
