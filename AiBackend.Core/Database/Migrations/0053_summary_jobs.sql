-- Jobs that write summaries repeat what was said: the leader deletes them once their conversation has no use for them (AiBackend.Core/Conversations). Expand only.

-- The conversation that it summarises; null of most. Not the one that it continues: it has no turn.
ALTER TABLE jobs ADD COLUMN summary_of uuid;
CREATE INDEX jobs_of_summaries ON jobs (summary_of, id) WHERE summary_of IS NOT NULL;
