-- The model is part of a kind: jobs of one that is paused are passed over by one descent of the index, however many they are.
DROP INDEX jobs_line;
CREATE INDEX jobs_line ON jobs (priority, tenant_id, expected_length, model, id) WHERE status = 1 AND pool = 'default';
