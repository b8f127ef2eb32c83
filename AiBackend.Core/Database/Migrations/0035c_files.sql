-- Files of tenants (AiBackend.Core/Files): for batches, and what batches answer.
CREATE TABLE files (
    id          uuid        PRIMARY KEY,            -- UUIDv7: lists are in its order
    tenant_id   uuid        NOT NULL,
    purpose     text        NOT NULL,
    name        text        NOT NULL,
    bytes       bigint      NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    ready_at    timestamptz,                        -- null while it is written: nobody sees it
    expires_at  timestamptz NOT NULL
);
CREATE INDEX files_by_tenant ON files (tenant_id, id);
CREATE INDEX files_expiry ON files (expires_at); -- the pruner
SELECT raise_tenant_wall('files');

-- All of a file's pieces but the last are of the same size, so that any part is found by its place.
CREATE TABLE file_chunks (
    file_id     uuid        NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    n           integer     NOT NULL,
    tenant_id   uuid        NOT NULL,
    content     bytea       NOT NULL,
    PRIMARY KEY (file_id, n)
);
SELECT raise_tenant_wall('file_chunks');

-- What a tenant's files take together, also those that are being written.
CREATE TABLE file_usage (
    tenant_id   uuid        PRIMARY KEY,
    bytes       bigint      NOT NULL
);
SELECT raise_tenant_wall('file_usage');
