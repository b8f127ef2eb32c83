-- A tenant's deletion takes rows that others name first, so that each piece is bounded and every row is counted. Expand only.

-- The next piece of a tenant that is deleted, up to p_limit rows of each table. Answers whether anything was there. Its jobs have ended.
CREATE OR REPLACE FUNCTION delete_tenant_piece(p_id uuid, p_limit integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    d tenant_deletions;
    piece jsonb;
    t record;
    child regclass;
    is_left boolean;
    n bigint;
BEGIN
    -- Whoever leads as well waits, and then finds the rest.
    SELECT * INTO d FROM tenant_deletions WHERE id = p_id AND finished_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM set_config('aibackend.actor', jsonb_build_object('tenant', d.tenant_id, 'actor', d.requested_by, 'action', 'delete_tenant')::text, true);
    piece := add_counts(delete_jobs(d.tenant_id, ARRAY(SELECT id FROM jobs WHERE tenant_id = d.tenant_id AND status::int >= 6 ORDER BY id LIMIT p_limit),
                                    true), '{}');
    IF piece = '{}' THEN
        FOR t IN SELECT name, by_job FROM tenant_tables() WHERE name <> 'jobs' LOOP
            -- Rows that go with their parent would be neither bounded nor counted.
            is_left := false;
            FOR child IN SELECT c.conrelid::regclass FROM pg_constraint c
                          WHERE c.contype = 'f' AND c.confrelid = t.name::regclass AND c.conrelid <> c.confrelid AND c.conparentid = 0
                            AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.conrelid AND attname = 'tenant_id' AND NOT attisdropped) LOOP
                EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE tenant_id = $1)', child) INTO is_left USING d.tenant_id;
                EXIT WHEN is_left;
            END LOOP;
            CONTINUE WHEN is_left;
            BEGIN
                IF t.by_job THEN
                    EXECUTE format('DELETE FROM %1$I x WHERE x.tenant_id = $1 %2$s AND x.job_id = ANY (ARRAY(
                                        SELECT y.job_id FROM %1$I y WHERE y.tenant_id = $1 %3$s
                                           AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = y.job_id) LIMIT $2))',
                                   t.name, CASE t.name WHEN 'provider_calls' THEN 'AND x.state >= 2' ELSE '' END,
                                   CASE t.name WHEN 'provider_calls' THEN 'AND y.state >= 2' ELSE '' END)
                      USING d.tenant_id, p_limit;
                ELSE
                    EXECUTE format('DELETE FROM %1$I WHERE tenant_id = $1 AND ctid = ANY (ARRAY(SELECT ctid FROM %1$I WHERE tenant_id = $1 LIMIT $2))', t.name)
                      USING d.tenant_id, p_limit;
                END IF;
                GET DIAGNOSTICS n = ROW_COUNT;
                piece := add_counts(piece, jsonb_build_object(t.name, n));
            EXCEPTION WHEN foreign_key_violation THEN
                NULL; -- What names these rows goes first.
            END;
        END LOOP;
    END IF;
    UPDATE tenant_deletions SET counts = add_counts(counts, piece) WHERE id = p_id;
    RETURN piece <> '{}';
END $$;
