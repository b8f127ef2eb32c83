-- Estimates are read by what changed since the last look, and forgotten when they are old. Expand only.
CREATE INDEX job_estimates_by_age ON job_estimates (updated_at);
