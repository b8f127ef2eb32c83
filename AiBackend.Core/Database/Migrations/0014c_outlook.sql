-- What callers are told of their wait (AiBackend.Core/Queue/Outlook): one row, which the leader keeps and every Api reads.
CREATE TABLE line_outlook (
    only_row    boolean          PRIMARY KEY DEFAULT true CHECK (only_row),
    at          timestamptz      NOT NULL,
    slots       integer          NOT NULL,   -- of all living workers
    per_second  double precision NOT NULL,   -- jobs that end, on the average of some ten seconds
    waiting     integer[]        NOT NULL    -- by priority, counted up to 10 000 each
) WITH (fillfactor = 50);

-- What was told at the submission, in seconds; null when there was nothing to wait for or nothing was known. The claim compares.
ALTER TABLE jobs ADD COLUMN eta_p50 real, ADD COLUMN eta_p90 real;
