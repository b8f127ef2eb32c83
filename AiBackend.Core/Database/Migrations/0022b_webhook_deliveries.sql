-- Messages to webhooks (AiBackend.Core/Webhooks): written down before the first try, with the bytes that every try sends. Expand only.
CREATE TABLE webhook_deliveries (
    endpoint    text        NOT NULL,                   -- who gets it: a name, so that an address may change
    id          uuid        NOT NULL,                   -- the same at every try: receivers tell repeats by it
    body        text        NOT NULL,
    state       smallint    NOT NULL DEFAULT 0,         -- DeliveryState: 0 waits, 1 delivered, 2 given up
    tries       smallint    NOT NULL DEFAULT 0,         -- begun
    next_at     timestamptz NOT NULL DEFAULT now(),     -- of the next try, or when the one under way counts as lost
    last_error  text,                                   -- of the latest try: a status, or one of a few words
    created_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    PRIMARY KEY (endpoint, id)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at) WHERE state = 0;        -- the sender
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE state <> 0;    -- the pruner
