-- Answers to requests with an Idempotency-Key that make no job: the same request gets the same answer for 24 hours.
CREATE TABLE kept_answers (
    tenant_id   uuid        NOT NULL,
    key         text        NOT NULL,               -- the caller's key, and the address it was sent to
    fingerprint bytea       NOT NULL,               -- SHA-256 of what was asked
    holder      uuid        NOT NULL,               -- who works on it: nobody else may answer for it
    begun_at    timestamptz NOT NULL DEFAULT now(),
    answered_at timestamptz,
    body        bytea,                              -- null with answered_at: too large to keep
    expires_at  timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX kept_answers_expiry ON kept_answers (expires_at); -- the pruner
SELECT raise_tenant_wall('kept_answers');
