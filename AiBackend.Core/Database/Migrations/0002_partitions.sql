-- Jobs and what belongs to them, by week of the job's id, so that the oldest are dropped as whole tables (AiBackend.Core/Retention).
-- The table of before becomes the first partition as it is: no row is rewritten. Names stay, so the version before works on this too.

-- The smallest UUIDv7 of a moment; JobIds.FirstOf is the same.
CREATE FUNCTION first_job_id(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- The tables that are partitioned together, in the order in which every statement that needs several locks them.
CREATE FUNCTION job_tables() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY['jobs', 'job_payloads', 'job_outputs', 'job_events', 'job_attempts']
$$;

-- The partitions of jobs but for the default one: the ids they begin and end with. The first has no begin.
CREATE FUNCTION job_partitions() RETURNS TABLE (suffix text, from_id uuid, to_id uuid) LANGUAGE sql STABLE AS $$
    SELECT substr(c.relname, length('jobs_') + 1),
           (regexp_match(b.bounds, 'FROM \(''([^'']+)''\)'))[1]::uuid, (regexp_match(b.bounds, 'TO \(''([^'']+)''\)'))[1]::uuid
      FROM pg_inherits i
      JOIN pg_class c ON c.oid = i.inhrelid
     CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bounds) b
     WHERE i.inhparent = 'jobs'::regclass AND b.bounds <> 'DEFAULT'
$$;

-- A partition of each table with what only partitions can have.
CREATE FUNCTION add_job_partition(suffix text, bounds text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
BEGIN
    FOREACH parent IN ARRAY job_tables() LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I %s', parent || '_' || suffix, parent, bounds)
             || CASE parent WHEN 'jobs'
                     THEN ' WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)'
                     ELSE '' END;
    END LOOP;
END $$;

-- Weeks from the end of the last partition on, Monday to Monday, so that jobs until the given moment have one. A week of which jobs
-- lie in the default partition already, because nobody made it in time, stays there.
CREATE FUNCTION add_job_partitions(until timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    week timestamptz := date_trunc('week', now(), 'UTC');
    made integer := 0;
BEGIN
    WHILE week < until LOOP
        IF NOT EXISTS (SELECT 1 FROM job_partitions() WHERE to_id > first_job_id(week))
           AND NOT EXISTS (SELECT 1 FROM jobs_default WHERE id >= first_job_id(week) AND id < first_job_id(week + interval '168 hours'))
        THEN
            PERFORM add_job_partition('w' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD'),
                                      format('FOR VALUES FROM (%L) TO (%L)', first_job_id(week), first_job_id(week + interval '168 hours')));
            made := made + 1;
        END IF;
        week := week + interval '168 hours';
    END LOOP;
    RETURN made;
END $$;

-- Whether every job of a partition ended longer ago than the given time. Looks at each row, but stops at the first that keeps it.
CREATE FUNCTION job_partition_is_over(suffix text, keep interval) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    is_over boolean;
BEGIN
    EXECUTE format('SELECT NOT EXISTS (SELECT 1 FROM %I WHERE status < 6 OR finished_at > now() - $1)', 'jobs_' || suffix)
       INTO is_over USING keep;
    RETURN is_over;
END $$;

-- Drops a partition of each table that was found to be over, with what else is kept of its jobs. Looks once more, by indexes, under the
-- lock: a wrong clock may have dated a new job back meanwhile.
CREATE FUNCTION drop_job_partition(suffix text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    has_open boolean;
    parent text;
BEGIN
    DELETE FROM dead_letters d USING job_partitions() p
     WHERE p.suffix = drop_job_partition.suffix AND (p.from_id IS NULL OR d.job_id >= p.from_id) AND d.job_id < p.to_id;
    DELETE FROM job_waits w USING job_partitions() p
     WHERE p.suffix = drop_job_partition.suffix AND (p.from_id IS NULL OR w.job_id >= p.from_id) AND w.job_id < p.to_id;
    LOCK TABLE jobs, job_payloads, job_outputs, job_events, job_attempts IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %1$I WHERE status = 1) OR EXISTS (SELECT 1 FROM %1$I WHERE status = 2)
                        OR EXISTS (SELECT 1 FROM %1$I WHERE status IN (0, 5))', 'jobs_' || suffix) INTO has_open;
    IF has_open THEN
        RAISE EXCEPTION 'partition % has an unfinished job again', suffix USING ERRCODE = 'AI002';
    END IF;
    FOREACH parent IN ARRAY job_tables() LOOP
        EXECUTE format('DROP TABLE %I', parent || '_' || suffix);
    END LOOP;
END $$;

-- All at once, or a job of that moment would be in one of them only.
LOCK TABLE jobs, job_payloads, job_outputs, job_events, job_attempts IN ACCESS EXCLUSIVE MODE;
DROP TRIGGER jobs_terminal_is_final ON jobs;

DO $$
DECLARE
    ends uuid := first_job_id(date_trunc('week', now(), 'UTC') + interval '168 hours');
    parent text;
    key text;
    found record;
    definitions text[];
BEGIN
    FOREACH parent IN ARRAY job_tables() LOOP
        key := CASE parent WHEN 'jobs' THEN 'id' ELSE 'job_id' END;
        definitions := ARRAY[]::text[];
        -- The parent's indexes have the names; those of the first partition, which they take in, get others.
        FOR found IN
            SELECT c.relname, pg_get_indexdef(c.oid) AS definition, pg_get_constraintdef(k.oid) AS key_definition
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.contype = 'p'
             WHERE i.indrelid = parent::regclass
        LOOP
            definitions := definitions || CASE WHEN found.key_definition IS NULL THEN found.definition
                ELSE format('ALTER TABLE %I ADD CONSTRAINT %I %s', parent, found.relname, found.key_definition) END;
            EXECUTE format('ALTER INDEX %I RENAME TO %I', found.relname, found.relname || '_first');
        END LOOP;

        EXECUTE format('ALTER TABLE %I RENAME TO %I', parent, parent || '_first');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS) PARTITION BY RANGE (%I)', parent, parent || '_first', key);
        FOR i IN 1 .. cardinality(definitions) LOOP
            EXECUTE definitions[i];
        END LOOP;

        -- What a wrong clock dated ahead finds its place again below.
        EXECUTE format('CREATE TEMPORARY TABLE %I ON COMMIT DROP AS SELECT * FROM %I WHERE %I >= %L', parent || '_ahead', parent || '_first', key, ends);
        EXECUTE format('DELETE FROM %I WHERE %I >= %L', parent || '_first', key, ends);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', parent, parent || '_first', ends);
    END LOOP;

    -- The net: an id from a wrong clock must not fail its submit.
    PERFORM add_job_partition('default', 'DEFAULT');
    PERFORM add_job_partitions(now() + interval '4 weeks');
    FOREACH parent IN ARRAY job_tables() LOOP
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', parent, parent || '_ahead');
    END LOOP;
END $$;

CREATE TRIGGER jobs_terminal_is_final BEFORE UPDATE ON jobs
    FOR EACH ROW WHEN (OLD.status >= 6) EXECUTE FUNCTION refuse_terminal_change();
