-- Runs that wait for a look, which workers look for beside the line (AiBackend.Core/Queue/FindQueuedRuns). Expand only.
CREATE INDEX jobs_queued_runs ON jobs (priority, id) WHERE status = 1 AND type = 3 AND pool = 'default';
