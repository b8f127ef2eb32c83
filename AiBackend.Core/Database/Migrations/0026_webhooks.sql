-- Webhooks of tenants (AiBackend.Core/Webhooks): endpoints, messages to them, and every try. Expand only.

-- In the order in which statements lock these tables.
LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE job_payloads ADD COLUMN webhook_url text; -- where this job's messages go besides; null is nowhere

CREATE TABLE webhook_endpoints (
    id              uuid        PRIMARY KEY,
    tenant_id       uuid        NOT NULL,
    url             text,                               -- null: each job's own
    description     text,
    events          text[]      NOT NULL DEFAULT '{}',  -- types that it gets; empty is all
    secret          bytea       NOT NULL,               -- sealed (AiBackend.Core/Secrets)
    old_secret      bytea,                              -- the one before, which signs too for a while
    old_until       timestamptz,
    enabled         boolean     NOT NULL DEFAULT true,
    disabled_for    text,                               -- why nobody sends to it; null when a person said so
    failing_since   timestamptz,                        -- the first failed try after the last one that was taken
    created_at      timestamptz NOT NULL DEFAULT now(),
    created_by      text        NOT NULL                -- public id of the API key
);
CREATE INDEX webhook_endpoints_by_tenant ON webhook_endpoints (tenant_id);                            -- lists, and whether a job has to be told of
CREATE UNIQUE INDEX webhook_endpoints_of_jobs ON webhook_endpoints (tenant_id) WHERE url IS NULL;     -- one secret for all jobs

-- What happened to jobs and is in no message yet: written in the transaction in which it happened, turned into messages by the leader.
CREATE TABLE webhook_outbox (
    id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(), -- of the messages
    tenant_id       uuid        NOT NULL,
    job_id          uuid        NOT NULL,
    status          smallint    NOT NULL,               -- JobStatus
    at              timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_outbox_in_order ON webhook_outbox (at);

-- Zero is the installation, whose alerts go to its operators.
ALTER TABLE webhook_deliveries ADD COLUMN tenant_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
ALTER TABLE webhook_deliveries ADD COLUMN type text;
ALTER TABLE webhook_deliveries ADD COLUMN about uuid;       -- the job or alert
ALTER TABLE webhook_deliveries ADD COLUMN url text;         -- where to, when not to the endpoint's own
ALTER TABLE webhook_deliveries ADD COLUMN earlier_tries smallint NOT NULL DEFAULT 0; -- before somebody had it sent again
CREATE INDEX webhook_deliveries_due_by_endpoint ON webhook_deliveries (endpoint, next_at) WHERE state = 0; -- the sender to one
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint, created_at, id);              -- lists, newest first

CREATE TABLE webhook_tries (
    endpoint        text        NOT NULL,
    id              uuid        NOT NULL,
    try             smallint    NOT NULL,
    tenant_id       uuid        NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(), -- of its end
    milliseconds    integer     NOT NULL,
    error           text,                               -- null when it was taken
    PRIMARY KEY (endpoint, id, try)
);

-- What people do to webhooks is in the audit log, but for the secrets; a rotation shows as another old_until.
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF url, description, events, secret, enabled ON webhook_endpoints
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('webhook', '{id}', '{secret,old_secret,failing_since}');
CREATE CONSTRAINT TRIGGER audit_test AFTER INSERT ON webhook_deliveries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.type = 'webhook.test')
    EXECUTE FUNCTION audit_change('webhook_message', '{endpoint,id}', '{body,next_at,url}', 'asked');
CREATE CONSTRAINT TRIGGER audit_resend AFTER UPDATE OF earlier_tries ON webhook_deliveries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION audit_change('webhook_message', '{endpoint,id}', '{body,url}', 'asked');

-- A moment as it is on the wire.
CREATE FUNCTION rfc3339(moment timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- A trigger and not a part of each statement that ends jobs: those are many, and one that forgot it would be found by nobody. The lists of
-- columns and states keep it off renewals, appends and claims; without endpoints it costs one look at a table without rows.
CREATE FUNCTION note_job_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM webhook_endpoints WHERE tenant_id = NEW.tenant_id AND enabled) THEN
        INSERT INTO webhook_outbox (tenant_id, job_id, status) VALUES (NEW.tenant_id, NEW.id, NEW.status);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER jobs_message AFTER UPDATE OF status ON jobs
    FOR EACH ROW WHEN (NEW.status <> OLD.status AND (NEW.status >= 6 OR NEW.status IN (3, 4))) EXECUTE FUNCTION note_job_message();
