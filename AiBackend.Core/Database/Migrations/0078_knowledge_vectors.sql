-- What passages mean, as vectors, beside their words (AiBackend.Core/Knowledge). Expand only.
ALTER TABLE knowledge_chunks
    ADD COLUMN vector       real[],     -- of length one; null: not made yet, or of a text that no model takes
    ADD COLUMN vector_model text,       -- who made it: vectors of different models cannot be compared
    ADD COLUMN vector_for   text;       -- the model that was to be asked for it; null: nobody was asked yet

-- Such numbers do not get smaller, and trying takes longer than reading them.
ALTER TABLE knowledge_chunks ALTER COLUMN vector SET STORAGE EXTERNAL;

CREATE INDEX knowledge_chunks_vectors ON knowledge_chunks (tenant_id, vector_for); -- the leader: whose passages have none, or those of another model

-- A search compares the newest, in this order, and reads no further than it compares.
CREATE INDEX knowledge_chunks_newest ON knowledge_chunks (tenant_id, collection, updated_at DESC, document_id, n) WHERE vector IS NOT NULL;

-- For the statements behind it in a transaction. Behind the wall Postgres takes the passages of a tenant for a handful, and would rather read and sort them
-- all; what that index costs is looked up passage by passage, and seems so much that they would be compiled.
CREATE PROCEDURE read_in_order() LANGUAGE sql AS $$
    SELECT set_config('enable_sort', 'off', true), set_config('jit', 'off', true)
$$;
