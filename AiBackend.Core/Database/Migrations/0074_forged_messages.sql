-- What came over Redis and none of our processes sent (AiBackend.Core/Events/ForgedMessages), a row a channel: any process puts it down, and the leader
-- raises an alert. Expand only.
CREATE TABLE forged_messages (
    channel     text        PRIMARY KEY,
    messages    bigint      NOT NULL,           -- all that ever came
    latest_at   timestamptz NOT NULL
);
REVOKE DELETE ON forged_messages FROM aibackend_api, aibackend_operator, aibackend_worker;
