-- Dead letters as something to work with: what they have in common, and who closed them. Expand only: processes of the version
-- before insert letters without any of this, and the leader labels them (AiBackend.Core/DeadLetters/LabelDeadLetters).

ALTER TABLE dead_letters
    ADD COLUMN fingerprint  text,         -- of the normalised error; null until it is labelled, within a second
    ADD COLUMN message      text,         -- the job's last error
    ADD COLUMN model        text,
    ADD COLUMN replayed_at  timestamptz,  -- when replayed_by, the new job, was made
    ADD COLUMN closed_by    text;         -- public id of the API key that replayed or discarded it

CREATE INDEX dead_letters_unlabelled ON dead_letters (at) WHERE fingerprint IS NULL; -- the labeller
CREATE INDEX dead_letters_by_group ON dead_letters (tenant_id, fingerprint, job_id) INCLUDE (at, model)
    WHERE replayed_by IS NULL AND discarded_at IS NULL;                              -- open letters of a group, newest job first

-- One row per kind of failure that a tenant ever saw; kept when all its letters are closed, so that it can be recognised.
CREATE TABLE dead_letter_groups (
    tenant_id       uuid        NOT NULL,
    fingerprint     text        NOT NULL,
    class           text        NOT NULL,
    code            text        NOT NULL,
    shape           text        NOT NULL,   -- the message without what differs from job to job
    first_seen_at   timestamptz NOT NULL,
    last_seen_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, fingerprint)
);

-- A wish to replay or discard many letters, and how far it is. The leader carries it out in steps of one statement each.
CREATE TABLE bulk_actions (
    id              uuid        PRIMARY KEY,
    tenant_id       uuid        NOT NULL,
    kind            smallint    NOT NULL,               -- BulkKind
    status          smallint    NOT NULL DEFAULT 0,     -- BulkStatus; 0 runs
    stage           smallint    NOT NULL,               -- 1: the first letter, 2: the next ten, 3: the rest
    canary          boolean     NOT NULL,
    rate            integer     NOT NULL,               -- letters a second
    total           integer     NOT NULL,
    model           text,                               -- of the new jobs; null keeps each job's own
    filter          text,                               -- JSON; null when the letters were named by their ids
    created_by      text        NOT NULL,               -- public id of the API key
    created_at      timestamptz NOT NULL DEFAULT now(),
    next_step_at    timestamptz NOT NULL DEFAULT now(), -- keeps the rate, whoever leads
    finished_at     timestamptz,
    stopped_by      uuid,                               -- the new job that died of the same cause
    idempotency_key text,
    meaning         bytea                               -- SHA-256 of the request, beside the key
);
CREATE INDEX bulk_actions_running ON bulk_actions (created_at) WHERE status = 0;  -- the leader
CREATE INDEX bulk_actions_by_tenant ON bulk_actions (tenant_id, id);              -- lists, newest first
CREATE UNIQUE INDEX bulk_actions_by_key ON bulk_actions (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL; -- repeats

CREATE TABLE bulk_items (
    action_id       uuid        NOT NULL,
    job_id          uuid        NOT NULL,               -- the dead letter
    tenant_id       uuid        NOT NULL,
    stage           smallint    NOT NULL,
    state           smallint    NOT NULL DEFAULT 0,     -- BulkItemState; 0 waits
    new_job_id      uuid,
    PRIMARY KEY (action_id, job_id)
);
CREATE INDEX bulk_items_by_state ON bulk_items (action_id, state, stage, job_id); -- the next step, and how far an action is

-- What a person should know. One row a cause from when it is raised until it is quiet again; raised again, it is another row.
CREATE TABLE alerts (
    id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id       uuid        NOT NULL,
    rule            text        NOT NULL,               -- AlertRules
    cause           text        NOT NULL,
    value           bigint      NOT NULL,               -- letters, or seconds
    raised_at       timestamptz NOT NULL DEFAULT now(),
    firing_at       timestamptz NOT NULL DEFAULT now(), -- when the rule last held, to within half a minute
    acknowledged_at timestamptz,
    acknowledged_by text,                               -- public id of the API key
    resolved_at     timestamptz
);
CREATE UNIQUE INDEX alerts_active ON alerts (tenant_id, rule, cause) WHERE resolved_at IS NULL; -- one alert a cause
CREATE INDEX alerts_by_tenant ON alerts (tenant_id, raised_at, id);                             -- lists, newest first
