-- What operators hold back. The numbers' names are in AiBackend.Core/Controls (ControlKind, ControlMode). Almost always empty: the claim
-- of every job looks here.
CREATE TABLE controls (
    kind        smallint    NOT NULL,   -- 0 queue (a pool), 1 tenant, 2 model, 3 provider
    name        text        NOT NULL,   -- of a tenant, its slug
    tenant_id   uuid,                   -- of a tenant
    mode        smallint    NOT NULL,   -- 1 paused, 2 draining
    reason      text,
    set_by      text        NOT NULL,   -- public id of the key
    set_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, name)
);

-- Jobs that wait until somebody lets their provider be asked again: the leader.
CREATE INDEX jobs_held ON jobs (id) WHERE status = 5 AND waiting_reason LIKE 'paused:%';
