-- The key of the codes behind what processes tell each other over Redis (AiBackend.Core/Events/MessageSeal): whoever can write to Redis and not read
-- here can make nobody believe anything. Its 366 random bits become 256. Expand only.
CREATE TABLE message_key (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    key         bytea       NOT NULL
);
INSERT INTO message_key (key)
SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
REVOKE INSERT, UPDATE, DELETE ON message_key FROM aibackend_api, aibackend_operator, aibackend_worker;
