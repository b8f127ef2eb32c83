-- The API key that submitted a job: whose budget its calls take from.
ALTER TABLE job_payloads ADD COLUMN key_id text;
