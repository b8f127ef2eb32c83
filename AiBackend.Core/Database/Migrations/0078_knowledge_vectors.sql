-- What passages mean, as vectors, beside their words (AiBackend.Core/Knowledge). Expand only.
ALTER TABLE knowledge_chunks
    ADD COLUMN vector       real[],     -- of length one; null: not made yet, or of a text that no model takes
    ADD COLUMN vector_model text,       -- who made it: vectors of different models cannot be compared
    ADD COLUMN vector_for   text;       -- the model that was to be asked for it; null: nobody was asked yet

-- Such numbers do not get smaller, and trying takes longer than reading them.
ALTER TABLE knowledge_chunks ALTER COLUMN vector SET STORAGE EXTERNAL;

CREATE INDEX knowledge_chunks_vectors ON knowledge_chunks (tenant_id, vector_for); -- the leader: whose passages have none, or those of another model
