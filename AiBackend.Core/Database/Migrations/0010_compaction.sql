-- How far the logs of ended jobs are compacted (AiBackend.Core/Retention/CompactLogs). An ended job's row cannot change, so that is kept
-- here: every job up to the watermark is compacted, but for the stragglers, which had not ended when it passed them.
CREATE TABLE compaction (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    watermark  uuid    NOT NULL
);
INSERT INTO compaction (watermark) VALUES ('00000000-0000-0000-0000-000000000000');

CREATE TABLE compaction_stragglers (
    job_id     uuid    PRIMARY KEY
);

-- The shape of an event's payload. Version 1 is what every build so far writes, and it costs them nothing to say so.
ALTER TABLE job_events ADD COLUMN schema_version smallint NOT NULL DEFAULT 1;
