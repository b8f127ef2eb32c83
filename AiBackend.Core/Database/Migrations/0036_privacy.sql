-- What tenants keep, take along and have deleted (AiBackend.Core/Privacy). Expand only.

ALTER TABLE tenants
    ADD COLUMN content_days integer,        -- an ended job is deleted after so many days; null is the installation's time
    ADD COLUMN deletion_at  timestamptz;    -- since when all of it is being deleted, or is gone
DROP TRIGGER audit ON tenants;
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF slug, name, tier, max_queued, organisation_id, disabled_at, content_days, deletion_at ON tenants
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('tenant', '{slug}', '{}');

-- A tenant that is deleted piece by piece, and afterwards the proof of it.
CREATE TABLE tenant_deletions (
    id              uuid        PRIMARY KEY,
    tenant_id       uuid        NOT NULL UNIQUE,
    slug            text        NOT NULL,
    reason          text        NOT NULL,
    requested_by    text        NOT NULL,               -- public id of the API key, or the user
    requested_at    timestamptz NOT NULL DEFAULT now(),
    counts          jsonb       NOT NULL DEFAULT '{}',  -- rows that are gone, by table
    finished_at     timestamptz,
    audit_seq       bigint,                             -- the row of the audit log that says so
    audit_hash      bytea
);
CREATE INDEX tenant_deletions_open ON tenant_deletions (requested_at) WHERE finished_at IS NULL; -- the leader
SELECT raise_tenant_wall('tenant_deletions');

CREATE INDEX webhook_deliveries_about ON webhook_deliveries (about); -- messages about a job that is deleted

-- Every table with rows of tenants, by the catalogue, so that none is forgotten; but for what says what was done and stays. Of those whose
-- key begins with a job, rows are found by it.
CREATE FUNCTION tenant_tables() RETURNS TABLE (name text, by_job boolean) LANGUAGE sql STABLE AS $$
    SELECT c.relname::text,
           EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = i.indkey[0]
                    WHERE i.indrelid = c.oid AND i.indisprimary AND k.attname = 'job_id')
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
     WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'tenants'::regclass)
       AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT IN ('audit_log', 'tenant_deletions')
     ORDER BY c.relname
$$;

-- Deletes jobs of a tenant that have ended, with everything that is known of them; calls to providers, which hold no content and add up to
-- what was spent, only when all goes. Nothing of a job goes while a call of it is not settled. Answers how many rows went, by table.
CREATE FUNCTION delete_jobs(p_tenant uuid, p_ids uuid[], p_with_calls boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    t text;
    n bigint;
    counts jsonb := '{}';
BEGIN
    ids := ARRAY(SELECT j.id FROM jobs j
                  WHERE j.id = ANY (p_ids) AND j.tenant_id = p_tenant AND j.status::int >= 6
                    AND NOT EXISTS (SELECT 1 FROM provider_calls c WHERE c.job_id = j.id AND c.state < 2)
                  ORDER BY j.id FOR UPDATE);
    IF cardinality(ids) = 0 THEN
        RETURN counts;
    END IF;
    FOR t IN SELECT name FROM tenant_tables() WHERE by_job AND (p_with_calls OR name <> 'provider_calls') LOOP
        EXECUTE format('DELETE FROM %I WHERE job_id = ANY ($1) AND tenant_id = $2', t) USING ids, p_tenant;
        GET DIAGNOSTICS n = ROW_COUNT;
        counts := counts || jsonb_build_object(t, n);
    END LOOP;
    -- What else repeats words of a job.
    DELETE FROM cached_answers WHERE tenant_id = p_tenant AND job_id = ANY (ids);
    GET DIAGNOSTICS n = ROW_COUNT;
    counts := counts || jsonb_build_object('cached_answers', n);
    DELETE FROM webhook_deliveries WHERE tenant_id = p_tenant AND about = ANY (ids);
    GET DIAGNOSTICS n = ROW_COUNT;
    counts := counts || jsonb_build_object('webhook_deliveries', n);
    DELETE FROM jobs WHERE id = ANY (ids) AND tenant_id = p_tenant;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN counts || jsonb_build_object('jobs', n);
END $$;

CREATE FUNCTION add_counts(one jsonb, other jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, total), '{}')
      FROM (SELECT key, sum(value::bigint) AS total
              FROM (SELECT * FROM jsonb_each_text(one) UNION ALL SELECT * FROM jsonb_each_text(other)) each GROUP BY key) totals
     WHERE total > 0
$$;

-- One job, because somebody asked for it: written down in the same transaction, without a word of it.
CREATE FUNCTION delete_job(p_tenant uuid, p_id uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    counts jsonb := add_counts(delete_jobs(p_tenant, ARRAY[p_id], false), '{}');
    who jsonb := nullif(current_setting('aibackend.actor', true), '')::jsonb;
BEGIN
    IF counts = '{}' THEN
        RETURN false;
    END IF;
    PERFORM audit_append(p_tenant, who ->> 'actor', who ->> 'action', 'job', p_id::text, NULL, jsonb_build_object('rows', counts),
                         who ->> 'request', who ->> 'address');
    RETURN true;
END $$;

-- The next piece of a tenant that is deleted, up to p_limit rows of each table. Answers whether anything was there. Its jobs have ended.
CREATE FUNCTION delete_tenant_piece(p_id uuid, p_limit integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    d tenant_deletions;
    piece jsonb;
    t record;
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

-- The end of it, once every table was looked at again and has nothing: a row of the audit log that keeps no content is the proof.
CREATE FUNCTION finish_tenant_deletion(p_id uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d tenant_deletions;
    t text;
    is_left boolean;
    proof bigint;
BEGIN
    SELECT * INTO d FROM tenant_deletions WHERE id = p_id AND finished_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    FOR t IN SELECT name FROM tenant_tables() LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE tenant_id = $1)', t) INTO is_left USING d.tenant_id;
        IF is_left THEN
            RETURN false;
        END IF;
    END LOOP;
    PERFORM set_config('aibackend.actor', jsonb_build_object('tenant', d.tenant_id, 'actor', d.requested_by, 'action', 'delete_tenant')::text, true);
    -- The name for people may be somebody's; the id and the slug stay, so that nobody is taken for it later.
    UPDATE tenants SET name = NULL, disabled_at = coalesce(disabled_at, now()) WHERE id = d.tenant_id;
    proof := audit_append(d.tenant_id, d.requested_by, 'delete_tenant', 'tenant_deletion', d.id::text, NULL,
                          jsonb_build_object('tenant', d.tenant_id, 'slug', d.slug, 'requested_at', d.requested_at, 'finished_at', now(), 'rows', d.counts),
                          NULL, NULL);
    UPDATE tenant_deletions SET finished_at = now(), audit_seq = proof, audit_hash = (SELECT hash FROM audit_log WHERE seq = proof) WHERE id = p_id;
    RETURN true;
END $$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION finish_tenant_deletion(uuid) SET search_path = %s, pg_temp', current_setting('search_path'));
END $$;
REVOKE EXECUTE ON FUNCTION finish_tenant_deletion(uuid), delete_job(uuid, uuid), delete_tenant_piece(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION finish_tenant_deletion(uuid), delete_tenant_piece(uuid, integer) TO aibackend_worker;
GRANT EXECUTE ON FUNCTION delete_job(uuid, uuid) TO aibackend_operator;

-- A page of a table's rows of a tenant, in the order of its key, with the place to go on from; columns that open doors are left out.
CREATE FUNCTION tenant_page(p_table text, p_tenant uuid, p_jobs uuid[], p_after jsonb, p_limit integer)
RETURNS TABLE (place jsonb, content jsonb) LANGUAGE plpgsql STABLE AS $$
DECLARE
    here oid := (SELECT c.oid FROM pg_class c WHERE c.relname = p_table AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'tenants'::regclass));
    key text;
    after text;
BEGIN
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.n),
           string_agg(format('($2 ->> %s)::%s', k.n - 1, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY k.n)
      INTO key, after
      FROM pg_index i
     CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY AS k (attnum, n)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE i.indrelid = here AND i.indisprimary;
    RETURN QUERY EXECUTE format('SELECT jsonb_build_array(%1$s), to_jsonb(x) - $4 FROM %2$I x WHERE x.tenant_id = $1 %4$s %5$s ORDER BY %1$s LIMIT $3',
                                key, p_table, after, CASE WHEN p_after IS NULL THEN '' ELSE format('AND (%s) > (%s)', key, after) END,
                                CASE WHEN p_jobs IS NULL THEN '' ELSE 'AND x.job_id = ANY ($5)' END)
           USING p_tenant, p_after, p_limit, ARRAY['hash', 'secret', 'old_secret', 'password', 'sealed'], p_jobs;
END $$;
