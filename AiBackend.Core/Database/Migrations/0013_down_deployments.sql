-- What each worker does not ask now, as it knows. A row is written when a worker's breaker opens or probes, and goes when it closes; those of
-- a worker that is gone count for nothing.
CREATE TABLE down_deployments (
    worker_id   uuid        NOT NULL,
    provider    text        NOT NULL,
    model       text        NOT NULL,
    probed      boolean     NOT NULL,
    open_until  timestamptz NOT NULL,
    PRIMARY KEY (worker_id, provider, model)
);
