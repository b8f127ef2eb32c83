-- How many of a tenant's jobs may wait; null is the configured number (Backpressure:MaxQueuedPerTenant).
ALTER TABLE tenants ADD COLUMN max_queued bigint;
-- Jobs that the process has ended, for good: how fast the line gets shorter.
ALTER TABLE workers ADD COLUMN ended bigint NOT NULL DEFAULT 0;
