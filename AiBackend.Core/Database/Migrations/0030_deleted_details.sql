-- Responses that were deleted: nobody finds them any more, while their jobs stay for as long as every job. A row without its job is harmless.
CREATE TABLE deleted_details (
    job_id      uuid        PRIMARY KEY,
    tenant_id   uuid        NOT NULL,
    deleted_at  timestamptz NOT NULL DEFAULT now()
);
SELECT raise_tenant_wall('deleted_details');
