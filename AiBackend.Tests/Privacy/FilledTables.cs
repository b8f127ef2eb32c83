namespace AiBackend.Tests.Privacy;

/// <summary>Gives a tenant a row in every table that has rows of tenants, with its canary in every text, whatever tables there are.</summary>
internal static class FilledTables
{
    /// <summary>Makes <c>fill_tenant(tenant, job)</c>, which answers with the tables that it could not fill.</summary>
    public const string Sql = """
        CREATE OR REPLACE FUNCTION fill_tenant(p_tenant uuid, p_job uuid) RETURNS text LANGUAGE plpgsql AS $$
        DECLARE
            t record;
            c record;
            value jsonb;
            row_values jsonb;
            wanted text[] := ARRAY(
                SELECT r.relname FROM pg_class r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
                 WHERE r.relnamespace = current_schema()::regnamespace AND r.relkind IN ('r', 'p') AND NOT r.relispartition
                   AND r.relname NOT IN ('audit_log', 'tenant_deletions', 'jobs') ORDER BY r.relname);
            left_over text[];
        BEGIN
            -- Triggers are not asked, nor foreign keys: but rows name what is there where they name something.
            SET LOCAL session_replication_role = replica;
            INSERT INTO users (id, organisation_id, email, name, role, password)
            VALUES (p_tenant, '00000000-0000-7000-8000-000000000001', p_tenant || '@filled.example', 'filled', 0, '-') ON CONFLICT DO NOTHING;
            left_over := '{}';
            FOR t IN SELECT unnest(wanted) AS name LOOP
                row_values := '{}';
                FOR c IN SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type FROM pg_attribute a
                          WHERE a.attrelid = t.name::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' LOOP
                    value := CASE
                        WHEN c.attname = 'tenant_id' THEN to_jsonb(p_tenant)
                        WHEN c.attname = 'user_id' THEN to_jsonb(p_tenant)
                        -- Of no job that there is: rows that only their tenant leads to.
                        WHEN c.type = 'uuid' THEN to_jsonb(gen_random_uuid())
                        WHEN c.type = 'text' OR c.type LIKE 'character%' THEN to_jsonb('canary-of-' || p_tenant || '-' || c.attname)
                        WHEN c.type IN ('json', 'jsonb') THEN jsonb_build_object('x', 'canary-of-' || p_tenant)
                        WHEN c.type = 'text[]' THEN jsonb_build_array('canary-of-' || p_tenant)
                        WHEN c.type LIKE '%[]' THEN '[]'
                        WHEN c.type = 'bytea' THEN to_jsonb('\x' || md5(p_tenant || c.attname))
                        WHEN c.type = 'boolean' THEN 'false'
                        WHEN c.type = 'date' OR c.type LIKE 'timestamp%' THEN to_jsonb(now())
                        WHEN c.type = 'interval' THEN '"1 day"'
                        -- A call that is settled.
                        WHEN t.name = 'provider_calls' AND c.attname = 'state' THEN '2'
                        ELSE '1' END;
                    row_values := row_values || jsonb_build_object(c.attname, value);
                END LOOP;
                BEGIN
                    EXECUTE format('INSERT INTO %1$I (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::%1$I, $1)', t.name,
                                   (SELECT string_agg(quote_ident(k), ', ') FROM jsonb_object_keys(row_values) k)) USING row_values;
                EXCEPTION WHEN OTHERS THEN
                    left_over := left_over || (t.name || ': ' || SQLERRM);
                END;
            END LOOP;
            RETURN array_to_string(left_over, '; ');
        END $$
        """;
}
