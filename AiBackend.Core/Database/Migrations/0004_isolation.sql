-- Jobs whose worker died twice: only a quarantine process takes them, one at a time. Nearly always empty.
CREATE INDEX jobs_suspects ON jobs (priority, id) WHERE status IN (1, 2) AND crash_count >= 2;
