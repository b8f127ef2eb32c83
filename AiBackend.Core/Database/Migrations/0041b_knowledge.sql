-- Texts of tenants that answers may rest on (AiBackend.Core/Knowledge).
CREATE TABLE knowledge_documents (
    id          uuid        PRIMARY KEY,
    tenant_id   uuid        NOT NULL,
    collection  text        NOT NULL,
    source      text        NOT NULL,               -- the caller's name of it: an address, a path, a number
    version     integer     NOT NULL DEFAULT 1,     -- counts what was written: chunks of an older one are gone
    title       text        NOT NULL,
    language    text        NOT NULL,               -- a text search configuration of Postgres
    readers     text[],                             -- who may find it; null is everybody of the tenant
    bytes       integer     NOT NULL,
    chunks      integer     NOT NULL,
    updated_at  timestamptz NOT NULL,               -- when the source changed, as its owner says
    written_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, collection, source)
);
SELECT raise_tenant_wall('knowledge_documents');

-- Passages, as they are found and given to a model. Who may find one, and how old it is, stands with it: the search reads nothing else.
CREATE TABLE knowledge_chunks (
    document_id uuid        NOT NULL REFERENCES knowledge_documents (id) ON DELETE CASCADE,
    version     integer     NOT NULL,
    n           integer     NOT NULL,
    tenant_id   uuid        NOT NULL,
    collection  text        NOT NULL,
    readers     text[],
    updated_at  timestamptz NOT NULL,
    text        text        NOT NULL,
    terms       tsvector    NOT NULL,
    PRIMARY KEY (document_id, version, n)
);
CREATE INDEX knowledge_chunks_terms ON knowledge_chunks USING gin (terms);
CREATE INDEX knowledge_chunks_tenant ON knowledge_chunks (tenant_id, collection);
SELECT raise_tenant_wall('knowledge_chunks');

-- Behind the wall an index of words is of no use: Postgres asks the wall first, row by row. So the owner looks, for whoever acts, and the wall's
-- condition is the first of its own.
CREATE FUNCTION search_knowledge(
    of_tenant uuid, in_collection text, in_language text, asked text, for_readers text[], max_age interval, most integer
) RETURNS TABLE (document_id uuid, source text, title text, updated_at timestamptz, n integer, passage text, score float8) LANGUAGE sql STABLE AS $$
    WITH query AS (
        SELECT string_agg(quote_literal(word), ' | ')::tsquery AS words
          FROM unnest(tsvector_to_array(to_tsvector(in_language::regconfig, asked))) AS word
    )
    SELECT c.document_id, d.source, d.title, c.updated_at, c.n, c.text, ts_rank_cd(c.terms, q.words, 1)::float8
      FROM query q
      JOIN knowledge_chunks c ON c.terms @@ q.words
      JOIN knowledge_documents d ON d.id = c.document_id AND d.version = c.version
     WHERE of_tenant = ANY ((SELECT acting_tenants())::uuid[]) AND c.tenant_id = of_tenant AND c.collection = in_collection
       AND (c.readers IS NULL OR c.readers && for_readers) AND (max_age IS NULL OR c.updated_at >= now() - max_age)
     ORDER BY 7 DESC, c.document_id, c.n LIMIT most
$$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION search_knowledge(uuid, text, text, text, text[], interval, integer) SECURITY DEFINER SET search_path = %s, pg_temp',
                   current_setting('search_path'));
END $$;
