-- Organisations with projects, and what a project's keys may do (AiBackend.Core/Tenancy). A project is what the code calls a tenant. Expand only.

CREATE TABLE organisations (
    id          uuid        PRIMARY KEY,
    slug        text        NOT NULL UNIQUE,
    name        text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
-- The operators' own, which the tenant "default" belongs to.
INSERT INTO organisations (id, slug, name) VALUES ('00000000-0000-7000-8000-000000000001', 'default', 'Default');

ALTER TABLE tenants
    ADD COLUMN organisation_id uuid NOT NULL DEFAULT '00000000-0000-7000-8000-000000000001' REFERENCES organisations (id),
    ADD COLUMN name         text,           -- for people; null is the slug
    ADD COLUMN disabled_at  timestamptz;    -- from then on none of its keys is accepted
CREATE INDEX tenants_by_organisation ON tenants (organisation_id);

-- Null is no bound of its own.
ALTER TABLE api_keys
    ADD COLUMN created_by          text,            -- public id of the key, or the user, that made it
    ADD COLUMN allowed_models      text[],          -- what its jobs may ask for; a * at the end stands for any rest
    ADD COLUMN allowed_networks    text[],          -- in CIDR notation: where requests may come from
    ADD COLUMN requests_per_minute bigint,
    ADD COLUMN tokens_per_minute   bigint,
    ADD COLUMN max_queued          bigint,
    ADD COLUMN last_used_at        timestamptz,     -- to within some minutes
    ADD COLUMN replaced_by         text;            -- the key that it was rolled to
