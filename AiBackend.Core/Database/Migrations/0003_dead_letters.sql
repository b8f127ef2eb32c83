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
