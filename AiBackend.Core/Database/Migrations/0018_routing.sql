-- Routes and deployments as operators changed them over the configuration (AiBackend.Core/Routing), and keys of providers. Expand only.

-- Never updated: the newest version counts, and the others are its history.
CREATE TABLE routing_versions (
    kind        smallint    NOT NULL,           -- 1 route, 2 deployment
    name        text        NOT NULL,           -- of the route, or provider/model
    version     integer     NOT NULL,           -- from 1
    body        text,                           -- JSON as it was sent; null: the configuration decides again
    created_at  timestamptz NOT NULL DEFAULT now(),
    created_by  text        NOT NULL,           -- public id of the API key
    PRIMARY KEY (kind, name, version)
);

CREATE TABLE provider_credentials (
    provider    text        NOT NULL,
    model       text        NOT NULL,           -- '' is every model that has none of its own
    sealed      bytea       NOT NULL,           -- AES-256-GCM; the key to it is outside the database
    hint        text        NOT NULL,
    set_at      timestamptz NOT NULL DEFAULT now(),
    set_by      text        NOT NULL,
    PRIMARY KEY (provider, model)
);

-- One row, raised by whoever changes one of the two: every process asks for it once a second.
CREATE TABLE routing_revision (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    revision    bigint      NOT NULL
);
INSERT INTO routing_revision (revision) VALUES (0);
