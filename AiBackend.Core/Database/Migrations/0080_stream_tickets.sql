-- Tickets that open the events of one job once (AiBackend.Core/Tenancy/StreamTickets), for readers that cannot send headers. Expand only.
CREATE TABLE stream_tickets (
    hash        bytea       PRIMARY KEY,    -- of the ticket, with the pepper of keys
    tenant_id   uuid        NOT NULL,
    job_id      uuid        NOT NULL,
    key_id      text        NOT NULL,       -- the key that asked for it, and has to count when it is used
    place       text        NOT NULL,       -- where it may be used from
    expires_at  timestamptz NOT NULL
);
CREATE INDEX stream_tickets_old ON stream_tickets (expires_at); -- those that nobody used
SELECT raise_tenant_wall('stream_tickets');
