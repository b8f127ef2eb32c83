-- A tenant's deletion goes table by table, and looks again an hour after it was finished (AiBackend.Core/Privacy/DeleteTenants). Expand only.

-- What came after the end, from a worker or a transaction that was late: deleted too, and told beside the first proof.
ALTER TABLE tenant_deletions
    ADD COLUMN second_at        timestamptz,
    ADD COLUMN second_counts    jsonb   NOT NULL DEFAULT '{}',
    ADD COLUMN second_seq       bigint,
    ADD COLUMN second_hash      bytea;

-- So that nobody has to read a whole table to find a tenant's rows, in the order in which they are exported. Not of what jobs write all the time:
-- that is found by its job.
CREATE INDEX batch_lines_by_tenant ON batch_lines (tenant_id, batch_id, line);
CREATE INDEX file_chunks_by_tenant ON file_chunks (tenant_id, file_id, n);
CREATE INDEX bulk_items_by_tenant ON bulk_items (tenant_id, action_id, job_id);
CREATE INDEX dead_letters_by_tenant ON dead_letters (tenant_id);
CREATE INDEX deleted_details_by_tenant ON deleted_details (tenant_id);
CREATE INDEX job_waits_by_tenant ON job_waits (tenant_id);
CREATE INDEX sessions_by_tenant ON sessions (tenant_id);
CREATE INDEX webhook_deliveries_by_tenant ON webhook_deliveries (tenant_id, endpoint, id);
CREATE INDEX webhook_receipts_by_tenant ON webhook_receipts (tenant_id, source_id, message_id);
CREATE INDEX webhook_tries_by_tenant ON webhook_tries (tenant_id, endpoint, id, try);
CREATE INDEX webhook_deliveries_by_id ON webhook_deliveries (id); -- whose a message is that somebody asked for
-- Calls of no job.
CREATE INDEX provider_calls_direct ON provider_calls (tenant_id, job_id, lease_epoch, call) WHERE lease_epoch = 0;

-- The tables of tenants in the order in which they are emptied, those of weeks week by week: what is read row by row comes last.
CREATE FUNCTION tenant_parts() RETURNS TABLE (name text, part_of text, by_job boolean) LANGUAGE sql STABLE AS $$
    SELECT p.name, p.part_of, p.by_job
      FROM (SELECT coalesce(c.relname::text, t.name) AS name, t.name AS part_of, t.by_job
              FROM tenant_tables() t
              LEFT JOIN pg_inherits i ON i.inhparent = t.name::regclass AND t.name <> 'jobs'
              LEFT JOIN pg_class c ON c.oid = i.inhrelid) p
     ORDER BY p.name <> 'jobs', p.by_job, p.name
$$;

-- Up to p_limit rows of a tenant that go out of one of its tables; of jobs that have ended, with all that is known of them. Answers how many.
CREATE FUNCTION delete_tenant_rows(p_id uuid, p_table text, p_limit integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    d tenant_deletions;
    part record;
    child regclass;
    is_left boolean;
    piece jsonb;
    n bigint := 0;
BEGIN
    -- Whoever leads as well waits, and then finds the rest.
    SELECT * INTO d FROM tenant_deletions WHERE id = p_id AND second_at IS NULL FOR UPDATE;
    SELECT * INTO part FROM tenant_parts() WHERE name = p_table;
    IF d.id IS NULL OR part.name IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM set_config('aibackend.actor', jsonb_build_object('tenant', d.tenant_id, 'actor', d.requested_by, 'action', 'delete_tenant')::text, true);
    IF part.name = 'jobs' THEN
        piece := add_counts(delete_jobs(d.tenant_id, ARRAY(SELECT id FROM jobs WHERE tenant_id = d.tenant_id AND status::int >= 6 ORDER BY id LIMIT p_limit),
                                        true), '{}');
        n := coalesce((piece ->> 'jobs')::bigint, 0);
    ELSE
        -- Rows that go with their parent would be neither bounded nor counted.
        FOR child IN SELECT c.conrelid::regclass FROM pg_constraint c
                      WHERE c.contype = 'f' AND c.confrelid = part.part_of::regclass AND c.conrelid <> c.confrelid AND c.conparentid = 0
                        AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.conrelid AND attname = 'tenant_id' AND NOT attisdropped) LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE tenant_id = $1)', child) INTO is_left USING d.tenant_id;
            IF is_left THEN
                RETURN 0;
            END IF;
        END LOOP;
        -- Rows of a job that is still there go with it.
        EXECUTE format('DELETE FROM %1$I WHERE tenant_id = $1 AND ctid = ANY (ARRAY(SELECT x.ctid FROM %1$I x WHERE x.tenant_id = $1 %2$s %3$s LIMIT $2))',
                       part.name,
                       CASE WHEN part.part_of = 'provider_calls' THEN 'AND x.state >= 2' ELSE '' END,
                       CASE WHEN part.by_job THEN 'AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = x.job_id)' ELSE '' END)
          USING d.tenant_id, p_limit;
        GET DIAGNOSTICS n = ROW_COUNT;
        piece := jsonb_build_object(part.part_of, n);
    END IF;
    IF n > 0 THEN
        UPDATE tenant_deletions
           SET counts = CASE WHEN finished_at IS NULL THEN add_counts(counts, piece) ELSE counts END,
               second_counts = CASE WHEN finished_at IS NULL THEN second_counts ELSE add_counts(second_counts, piece) END
         WHERE id = p_id;
    END IF;
    RETURN n;
EXCEPTION WHEN foreign_key_violation THEN
    RETURN 0; -- What names these rows goes first.
END $$;

-- The end of it, and then of the second look: a row of the audit log that keeps no content is the proof. What is found by the tenant is looked at
-- again here; rows of jobs come with one of jobs, which is, and were looked at just before (delete_tenant_rows).
CREATE FUNCTION close_tenant_deletion(p_id uuid, p_second boolean) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d tenant_deletions;
    t text;
    is_left boolean;
    proof bigint;
BEGIN
    -- Whoever leads as well, and was at the first look, does not end the second.
    SELECT * INTO d FROM tenant_deletions WHERE id = p_id AND second_at IS NULL AND (finished_at IS NOT NULL) = p_second FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    FOR t IN SELECT name FROM tenant_tables() WHERE name NOT IN ('job_payloads', 'job_outputs', 'job_events', 'job_attempts', 'provider_calls') LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE tenant_id = $1)', t) INTO is_left USING d.tenant_id;
        IF is_left THEN
            RETURN false;
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM provider_calls WHERE tenant_id = d.tenant_id AND lease_epoch = 0)
    OR EXISTS (SELECT FROM provider_calls WHERE tenant_id = d.tenant_id AND state IN (0, 1)) THEN
        RETURN false;
    END IF;
    PERFORM set_config('aibackend.actor', jsonb_build_object('tenant', d.tenant_id, 'actor', d.requested_by, 'action', 'delete_tenant')::text, true);
    -- The name for people may be somebody's; the id and the slug stay, so that nobody is taken for it later.
    UPDATE tenants SET name = NULL, disabled_at = coalesce(disabled_at, now()) WHERE id = d.tenant_id;
    IF NOT p_second THEN
        proof := audit_append(d.tenant_id, d.requested_by, 'delete_tenant', 'tenant_deletion', d.id::text, NULL,
                              jsonb_build_object('tenant', d.tenant_id, 'slug', d.slug, 'requested_at', d.requested_at, 'finished_at', now(), 'rows', d.counts),
                              NULL, NULL);
        UPDATE tenant_deletions SET finished_at = now(), audit_seq = proof, audit_hash = (SELECT hash FROM audit_log WHERE seq = proof) WHERE id = p_id;
    ELSE
        proof := audit_append(d.tenant_id, d.requested_by, 'look_again', 'tenant_deletion', d.id::text, NULL,
                              jsonb_build_object('tenant', d.tenant_id, 'slug', d.slug, 'finished_at', d.finished_at, 'second_at', now(), 'rows', d.second_counts),
                              NULL, NULL);
        UPDATE tenant_deletions SET second_at = now(), second_seq = proof, second_hash = (SELECT hash FROM audit_log WHERE seq = proof) WHERE id = p_id;
    END IF;
    RETURN true;
END $$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION close_tenant_deletion(uuid, boolean) SET search_path = %s, pg_temp', current_setting('search_path'));
END $$;
REVOKE EXECUTE ON FUNCTION delete_tenant_rows(uuid, text, integer), close_tenant_deletion(uuid, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION delete_tenant_rows(uuid, text, integer), close_tenant_deletion(uuid, boolean) TO aibackend_worker;

-- That its name goes is no change that the audit log may repeat the name for. The function is patched and not repeated, so that there is one text of it.
DO $$
DECLARE
    old text := pg_get_functiondef('audit_change'::regproc);
    before text := 'left_out text[] := TG_ARGV[2]::text[];';
BEGIN
    IF position(before IN old) = 0 THEN
        RAISE EXCEPTION 'audit_change is not what this migration knows';
    END IF;
    EXECUTE replace(old, before,
        'left_out text[] := TG_ARGV[2]::text[] || CASE WHEN who ->> ''action'' = ''delete_tenant'' AND TG_ARGV[0] = ''tenant'' THEN ARRAY[''name''] ELSE ''{}''::text[] END;');
END $$;
