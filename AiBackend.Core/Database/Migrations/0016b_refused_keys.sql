-- Keys that their providers did not take (401). No worker asks with them until the row is gone or the key is another one.
CREATE TABLE refused_keys (
    provider    text        NOT NULL,
    key_id      text        NOT NULL,   -- the beginning of a hash of the key
    refused_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, key_id)
);
