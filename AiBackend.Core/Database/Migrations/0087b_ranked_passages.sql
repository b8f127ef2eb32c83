-- Passages are ranked in half the time, and in a tenth of it where the question is long (AiBackend.Core/Knowledge). Expand only.
-- What is asked is any of its words, and of such a question ts_rank_cd gives the sum over its words; but asked for all at once it takes longer with every
-- pair of them that it finds. So each word is asked for alone. Of documents only those are read whose passages are the best. The plan is made for what is
-- asked, each time: how many passages a word, a tenant or a collection has decides what is read.
CREATE OR REPLACE FUNCTION search_knowledge(
    of_tenant uuid, in_collection text, in_language text, asked text, for_readers text[], max_age interval, most integer
) RETURNS TABLE (document_id uuid, source text, title text, updated_at timestamptz, n integer, passage text, score float8) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    words text[] := tsvector_to_array(to_tsvector(in_language::regconfig, asked));
    any_word tsquery := (SELECT string_agg(quote_literal(word), ' | ')::tsquery FROM unnest(words) word);
    each_word tsquery[] := ARRAY(SELECT quote_literal(word)::tsquery FROM unnest(words) word);
BEGIN
    IF of_tenant = ANY (acting_tenants()) THEN
        RETURN QUERY
        SELECT c.document_id, d.source, d.title, c.updated_at, c.n, c.text, r.score
          FROM (SELECT f.document_id, f.version, f.n,
                       -- As exact as ts_rank_cd itself, so that passages which are alike stay in the order of their documents.
                       (SELECT sum(ts_rank_cd(f.terms, word, 1)::float8) FROM unnest(each_word) word)::float4::float8 AS score
                  FROM knowledge_chunks f
                 WHERE f.terms @@ any_word AND f.tenant_id = of_tenant AND f.collection = in_collection
                   AND (f.readers IS NULL OR f.readers && for_readers) AND (max_age IS NULL OR f.updated_at >= now() - max_age)
                 -- Nothing is joined before it is in order.
                 ORDER BY score DESC, f.document_id, f.n OFFSET 0) r
          JOIN knowledge_documents d ON d.id = r.document_id AND d.version = r.version
          JOIN knowledge_chunks c ON c.document_id = r.document_id AND c.version = r.version AND c.n = r.n
         ORDER BY r.score DESC, r.document_id, r.n LIMIT most;
    END IF;
END $$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION search_knowledge(uuid, text, text, text, text[], interval, integer) SECURITY DEFINER SET plan_cache_mode = force_custom_plan
                    SET search_path = %s, pg_temp', current_setting('search_path'));
END $$;
