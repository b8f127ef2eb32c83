-- Webhooks of others that become jobs (AiBackend.Core/Webhooks/Inbound). Expand only.
CREATE TABLE webhook_sources (
    id               uuid        PRIMARY KEY,
    tenant_id        uuid        NOT NULL,
    name             text        NOT NULL,
    template         text        NOT NULL,               -- JSON: what becomes of a message
    secret           bytea       NOT NULL,               -- sealed (AiBackend.Core/Secrets)
    old_secret       bytea,                              -- the one before, which is believed too for a while
    old_until        timestamptz,
    enabled          boolean     NOT NULL DEFAULT true,
    created_at       timestamptz NOT NULL DEFAULT now(),
    created_by       text        NOT NULL                -- public id of the API key whose bounds its jobs have
);
CREATE INDEX webhook_sources_by_tenant ON webhook_sources (tenant_id); -- lists

-- Messages that came: each makes one job, whose id is decided before there is a job, however often the message is sent.
CREATE TABLE webhook_receipts (
    source_id       uuid        NOT NULL,
    message_id      text        NOT NULL,               -- `webhook-id`
    tenant_id       uuid        NOT NULL,
    job_id          uuid        NOT NULL,
    accepted        boolean     NOT NULL DEFAULT false, -- there is the job
    at              timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_id, message_id)
);
CREATE INDEX webhook_receipts_by_age ON webhook_receipts (at); -- the pruner

CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF name, template, secret, enabled ON webhook_sources
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('webhook_source', '{id}', '{secret,old_secret}');

SELECT raise_tenant_wall('webhook_sources');
SELECT raise_tenant_wall('webhook_receipts');
