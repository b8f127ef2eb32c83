-- Which workers' slots a job takes. 'default' is in no index: what is there, is there for every job.
ALTER TABLE jobs ADD COLUMN pool text NOT NULL DEFAULT 'default';
CREATE INDEX jobs_queued_in_pool ON jobs (pool, priority, id) WHERE status = 1 AND pool <> 'default';
