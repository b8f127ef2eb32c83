-- The second wall between tenants (AiBackend.Core/Database/TenantWall): a statement of the Api sees the rows of the tenants that it acts for,
-- whatever its WHERE says. docs/adr has why, docs/operations.md who logs in as what.

-- Roles are of the whole server: another database of it, or a migration that runs at the same time, may have made them.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['aibackend_api', 'aibackend_operator', 'aibackend_worker'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        -- So that whoever runs the programs under the login of the migrations can become it, where he may; a superuser always can.
        BEGIN
            IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', wanted)
                     || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH SET TRUE' ELSE '' END;
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
    -- The leader reports the age of the oldest transaction, whosever it is; without the right, of those it may see.
    BEGIN
        GRANT pg_read_all_stats TO aibackend_worker;
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;
END $$;

-- Rows, never tables: no role of a program can change the schema.
DO $$
DECLARE
    programs text := 'aibackend_api, aibackend_operator, aibackend_worker';
    here text := quote_ident(current_schema());
BEGIN
    EXECUTE format('REVOKE CREATE ON SCHEMA %s FROM PUBLIC', here);
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', here, programs);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %s', here, programs);
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %s TO %s', here, programs);
    -- The audit log grows by audit_append alone, which is the owner's.
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON schema_migrations, audit_log, audit_head FROM %s', programs);
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %s', here, programs);
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT USAGE ON SEQUENCES TO %s', here, programs);
END $$;

-- Until the end of the transaction: a pooled session forgets it, and then sees nothing.
CREATE PROCEDURE act_for(tenants uuid[]) LANGUAGE sql AS $$
    SELECT set_config('app.tenants', tenants::text, true)
$$;

-- Null is nobody. Once it was set in a session, the setting is '' afterwards.
CREATE FUNCTION acting_tenants() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('app.tenants', true), '')::uuid[]
$$;

-- Puts a table with tenant_id behind the wall; every migration that makes one calls it. Also its owner sees nothing but by the second policy.
CREATE FUNCTION raise_tenant_wall(behind regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', behind);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', behind);
    EXECUTE format('CREATE POLICY of_acting_tenants ON %s TO aibackend_api
                    USING (tenant_id = ANY ((SELECT acting_tenants())::uuid[]))', behind);
    EXECUTE format('CREATE POLICY of_all_tenants ON %s TO aibackend_operator, aibackend_worker, CURRENT_USER USING (true)', behind);
END $$;

-- Policies of a partitioned table hold for statements that name it; its partitions are for the worker alone.
CREATE FUNCTION close_partition(part regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('REVOKE ALL ON TABLE %s FROM aibackend_api, aibackend_operator', part);
END $$;

DO $$
DECLARE
    found regclass;
BEGIN
    FOR found IN
        SELECT c.oid::regclass FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND a.attname = 'tenant_id' AND NOT a.attisdropped
         ORDER BY c.relname
    LOOP
        PERFORM raise_tenant_wall(found);
    END LOOP;
    FOR found IN SELECT oid::regclass FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relispartition LOOP
        PERFORM close_partition(found);
    END LOOP;
END $$;

-- What is everybody's, everybody sees; who may change it is the Api's to say.
CREATE POLICY of_everybody ON budgets TO aibackend_api USING (scope = 0);
CREATE POLICY of_everybody ON controls FOR SELECT TO aibackend_api USING (tenant_id IS NULL);

-- As before, and closed.
CREATE OR REPLACE FUNCTION add_job_week(suffix text, first_id uuid, end_id uuid) RETURNS void LANGUAGE plpgsql AS $$
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
        PERFORM close_partition((parent || '_' || suffix)::regclass);
        EXECUTE format('WITH moved AS (DELETE FROM %1$I WHERE %3$I >= %4$L AND %3$I < %5$L RETURNING *) INSERT INTO %2$I SELECT * FROM moved',
                       parent || '_default', parent || '_' || suffix, key, first_id, end_id);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, parent || '_' || suffix, first_id, end_id);
    END LOOP;
END $$;

-- How many jobs of all tenants are ahead of one; up to 1 000, for nobody needs to know whether 40 000 or 40 001 are. Each arm has an index.
CREATE FUNCTION jobs_ahead(in_pool text, at_priority smallint, of_id uuid) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM (
        (SELECT 1 FROM jobs q WHERE in_pool = 'default' AND q.status = 1 AND q.pool = 'default'
            AND (q.priority, q.id) < (at_priority, of_id) LIMIT 1000)
        UNION ALL
        (SELECT 1 FROM jobs q WHERE q.status = 1 AND q.pool <> 'default' AND q.pool = in_pool
            AND (q.priority, q.id) < (at_priority, of_id) LIMIT 1000)) ahead
$$;

-- What the roles may not do themselves is done for them by the owner: places in the line of all tenants, rows of the audit log, and making
-- and dropping weeks, which changes the schema. With the schemas of now, and temporary tables last.
DO $$
DECLARE
    lent text;
BEGIN
    FOREACH lent IN ARRAY ARRAY['jobs_ahead(text, smallint, uuid)', 'add_job_partitions(timestamptz)', 'drop_job_partition(text)',
                               'audit_change()', 'audit_append(uuid, text, text, text, text, jsonb, jsonb, text, text)'] LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %s, pg_temp', lent, current_setting('search_path'));
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION add_job_partitions(timestamptz), drop_job_partition(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add_job_partitions(timestamptz), drop_job_partition(text) TO aibackend_worker;
