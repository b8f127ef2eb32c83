-- Pages of what a tenant takes along are bounded by what they weigh, and calls of no job are among them. Expand only.

-- As tenant_page, up to about p_bytes; is_last says that nothing comes after the row. Without jobs, of a table of calls those of no job.
CREATE FUNCTION tenant_slice(p_table text, p_tenant uuid, p_jobs uuid[], p_after jsonb, p_limit integer, p_bytes bigint)
RETURNS TABLE (place jsonb, content text, is_last boolean) LANGUAGE plpgsql STABLE AS $$
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
    RETURN QUERY EXECUTE format('
        SELECT s.place, s.content, s.n = s.total AND s.total < $3
          FROM (SELECT r.place, r.content, row_number() OVER so_far AS n, count(*) OVER () AS total,
                       sum(octet_length(r.content)) OVER so_far - octet_length(r.content) AS before
                  FROM (SELECT jsonb_build_array(%1$s) AS place, (to_jsonb(x) - $4)::text AS content
                          FROM %2$I x WHERE x.tenant_id = $1 %4$s %5$s ORDER BY %1$s LIMIT $3) r
                WINDOW so_far AS (ROWS UNBOUNDED PRECEDING)) s
         WHERE s.before < $6 ORDER BY s.n',
                                key, p_table, after, CASE WHEN p_after IS NULL THEN '' ELSE format('AND (%s) > (%s)', key, after) END,
                                CASE WHEN p_jobs IS NOT NULL THEN 'AND x.job_id = ANY ($5)'
                                     WHEN p_table = 'provider_calls' THEN 'AND x.lease_epoch = 0' ELSE '' END)
           USING p_tenant, p_after, p_limit, ARRAY['hash', 'secret', 'old_secret', 'password', 'sealed'], p_jobs, p_bytes;
END $$;
