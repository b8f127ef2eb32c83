-- The first schema. Forward only: a later change is a new file.
-- Small integers stand for closed sets; the names are in AiBackend.Core/Jobs (JobStatus, JobType, JobPriority, AttemptOutcome)
-- and AiBackend.Core/Events (JobEventKind).

CREATE TABLE tenants (
    id          uuid        PRIMARY KEY,
    slug        text        NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- A key is looked up by its id part; the secret part exists here only as an HMAC whose pepper is outside the database.
CREATE TABLE api_keys (
    key_id      text        PRIMARY KEY,
    tenant_id   uuid        NOT NULL REFERENCES tenants (id),
    name        text        NOT NULL,
    hash        bytea       NOT NULL,
    scopes      text[]      NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    revoked_at  timestamptz
);
CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id); -- keys of a tenant

-- The hot row: what a claim, a renewal, an append or an outcome touches. Everything wide is in job_payloads and job_outputs.
CREATE TABLE jobs (
    id               uuid        PRIMARY KEY,            -- UUIDv7: creation order inside the key
    tenant_id        uuid        NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    due_at           timestamptz NOT NULL DEFAULT now(), -- when it may start: submit, not_before, the retry's time, a rescue
    deadline         timestamptz,
    claimed_at       timestamptz,                        -- begin of the current or last attempt
    started_at       timestamptz,                        -- begin of the first attempt
    finished_at      timestamptz,
    lease_until      timestamptz,
    worker_id        uuid,
    lease_epoch      integer     NOT NULL DEFAULT 0,     -- counts claims; fences every write of a running job
    last_seq         integer     NOT NULL,               -- the only allocator of event numbers
    type             smallint    NOT NULL,
    status           smallint    NOT NULL,
    priority         smallint    NOT NULL,
    attempt          smallint    NOT NULL DEFAULT 0,
    excused          smallint    NOT NULL DEFAULT 0,     -- attempts that were nobody's fault (drain): not counted against max_attempts
    max_attempts     smallint    NOT NULL,
    crash_count      smallint    NOT NULL DEFAULT 0,
    cancel_requested boolean     NOT NULL DEFAULT false,
    model            text        NOT NULL,
    error_code       text,
    error_class      text,
    error_message    text
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX jobs_by_tenant ON jobs (tenant_id, id);                         -- lists, newest first by keyset
CREATE INDEX jobs_queued ON jobs (priority, id) WHERE status = 1;            -- the dispatcher's backlog, queue depth
CREATE INDEX jobs_processing ON jobs (id) WHERE status = 2;                  -- the rescuer; without lease_until, so that renewals stay HOT
CREATE INDEX jobs_due ON jobs (due_at) WHERE status IN (0, 5);               -- scheduled and retrying jobs that become due
CREATE INDEX jobs_deadline ON jobs (deadline) WHERE status < 6 AND deadline IS NOT NULL; -- deadlines that pass while nobody works
CREATE INDEX jobs_cancel ON jobs (id) WHERE cancel_requested AND status < 6;             -- cancels that an attempt's end overtook
CREATE INDEX jobs_rare_ends ON jobs (tenant_id, id) WHERE status IN (7, 8, 9);           -- lists filtered to the rare final states

-- Terminal states are immutable, whoever writes. The WHEN clause keeps the cost off every other update.
CREATE FUNCTION refuse_terminal_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'job % has ended and cannot change', OLD.id USING ERRCODE = 'AI001';
END $$;
CREATE TRIGGER jobs_terminal_is_final BEFORE UPDATE ON jobs
    FOR EACH ROW WHEN (OLD.status >= 6) EXECUTE FUNCTION refuse_terminal_change();

-- What the caller handed over; written once.
CREATE TABLE job_payloads (
    job_id          uuid     PRIMARY KEY,
    tenant_id       uuid     NOT NULL,
    schema_version  smallint NOT NULL,
    input           text     NOT NULL,   -- JSON
    title           text,
    feature         text,
    end_user        text,
    metadata        text,                -- JSON object of strings
    trace_parent    text,                -- W3C traceparent of the submitting request
    replay_of       uuid
);

-- What the job produced; written once, in the statement that ends it.
CREATE TABLE job_outputs (
    job_id          uuid     PRIMARY KEY,
    tenant_id       uuid     NOT NULL,
    schema_version  smallint NOT NULL,
    text            text     NOT NULL,
    missing         text[]   NOT NULL DEFAULT '{}'
);

-- Gapless from 1 per job; numbers come from jobs.last_seq alone.
CREATE TABLE job_events (
    job_id          uuid        NOT NULL,
    seq             integer     NOT NULL,
    kind            smallint    NOT NULL,
    tenant_id       uuid        NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    data            text        NOT NULL,   -- JSON
    PRIMARY KEY (job_id, seq)
);

-- One row per ended attempt; a running one is described by its jobs row.
CREATE TABLE job_attempts (
    job_id          uuid        NOT NULL,
    attempt         smallint    NOT NULL,
    tenant_id       uuid        NOT NULL,
    worker_id       uuid,
    outcome         smallint    NOT NULL,
    fallbacks       smallint    NOT NULL DEFAULT 0,
    simulated       boolean     NOT NULL DEFAULT false,
    started_at      timestamptz NOT NULL,
    first_token_at  timestamptz,
    ended_at        timestamptz NOT NULL DEFAULT now(),
    input_tokens    bigint,
    cached_tokens   bigint,
    output_tokens   bigint,
    cost_usd        numeric(18, 9),
    provider        text,
    model           text,
    model_version   text,
    error_code      text,
    error_class     text,
    error_message   text,
    PRIMARY KEY (job_id, attempt)
);

CREATE TABLE idempotency_keys (
    tenant_id       uuid        NOT NULL,
    route           text        NOT NULL,
    key             text        NOT NULL,
    fingerprint     bytea       NOT NULL,   -- SHA-256 of the request's meaning
    job_id          uuid        NOT NULL,
    expires_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, route, key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at); -- the pruner

-- Jobs that failed for good and were not the caller's own error, until somebody replays or discards them.
CREATE TABLE dead_letters (
    job_id          uuid        PRIMARY KEY,
    tenant_id       uuid        NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    class           text        NOT NULL,
    code            text        NOT NULL,
    replayed_by     uuid,
    discarded_at    timestamptz
);
CREATE INDEX dead_letters_open ON dead_letters (at) WHERE replayed_by IS NULL AND discarded_at IS NULL; -- depth and age

-- One row per worker process: its heartbeat and its name in traces.
CREATE TABLE workers (
    id              uuid        PRIMARY KEY,
    name            text        NOT NULL,
    slots           integer     NOT NULL,
    busy            integer     NOT NULL,
    fenced_writes   bigint      NOT NULL DEFAULT 0,
    draining        boolean     NOT NULL DEFAULT false,
    started_at      timestamptz NOT NULL DEFAULT now(),
    stopped_at      timestamptz,
    last_seen_at    timestamptz NOT NULL DEFAULT now()
);

-- Who does what needs doing once. A lease, not a session lock: a frozen process keeps its session.
CREATE TABLE leadership (
    role    text        PRIMARY KEY,
    holder  uuid        NOT NULL,
    until   timestamptz NOT NULL
);

INSERT INTO tenants (id, slug) VALUES ('00000000-0000-7000-8000-000000000001', 'default');
