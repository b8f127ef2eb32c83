-- Batches of requests from a file (AiBackend.Core/Batches). Who works on one holds it for a while; every step says who holds it, so that one
-- that was taken over changes nothing.
CREATE TABLE batches (
    id              uuid        PRIMARY KEY,        -- UUIDv7: lists are in its order
    tenant_id       uuid        NOT NULL,
    key_id          text        NOT NULL,           -- its lines are submitted for this key
    endpoint        text        NOT NULL,
    input_file_id   uuid        NOT NULL,
    status          smallint    NOT NULL,           -- BatchStatus
    metadata        text,                           -- JSON object of strings
    created_at      timestamptz NOT NULL DEFAULT now(),
    window_ends_at  timestamptz NOT NULL,
    read_to         bigint      NOT NULL DEFAULT 0, -- so much of the file has become lines
    lines           integer     NOT NULL DEFAULT 0,
    faults          text,                           -- JSON: why it failed as a whole
    output_file_id  uuid,
    error_file_id   uuid,
    in_progress_at  timestamptz,
    cancelling_at   timestamptz,
    finalizing_at   timestamptz,
    ended_at        timestamptz,
    holder          uuid,
    held_until      timestamptz
);
CREATE INDEX batches_by_tenant ON batches (tenant_id, id);
CREATE INDEX batches_open ON batches (held_until) WHERE ended_at IS NULL; -- who looks for work
SELECT raise_tenant_wall('batches');

-- Where a request stands in the file, and what became of it. State: 0 waits, 1 is a job, 2 answered, 3 failed, 4 too late, 5 cancelled.
CREATE TABLE batch_lines (
    batch_id        uuid        NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    line            integer     NOT NULL,
    tenant_id       uuid        NOT NULL,
    custom_id       text        NOT NULL,
    start           bigint      NOT NULL,
    length          integer     NOT NULL,
    state           smallint    NOT NULL DEFAULT 0,
    job_id          uuid,
    status_code     smallint,                       -- of a refusal: there is no job
    error           text,                           -- JSON, with status_code
    PRIMARY KEY (batch_id, line),
    UNIQUE (batch_id, custom_id)
);
CREATE INDEX batch_lines_open ON batch_lines (batch_id, state, line) WHERE state IN (0, 1); -- what is to be done next
SELECT raise_tenant_wall('batch_lines');
