-- Tools that models may call and this installation runs (AiBackend.Core/Tools). Expand only.

-- Every change is a new row, and the newest one counts; a job keeps the version it was accepted with.
CREATE TABLE tools (
    tenant_id   uuid        NOT NULL,
    name        text        NOT NULL,
    version     integer     NOT NULL,
    definition  text,                               -- JSON; null takes the tool away
    secret      bytea,                              -- value of its header, sealed (AiBackend.Core/Secrets)
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name, version)
);
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON tools
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('tool', '{name,version}', '{definition,secret}');
SELECT raise_tenant_wall('tools');

-- The ledger of effects: a row for each call that a model asks for, written before anything is sent, and its receipt after. Rounds of one
-- job are numbered over all its attempts, so that the next attempt goes on from the last whole one. The numbers' names are in
-- AiBackend.Core/Tools/Calls (ToolCallState, ToolEffect).
CREATE TABLE job_tool_calls (
    job_id          uuid        NOT NULL,
    round           smallint    NOT NULL,
    position        smallint    NOT NULL,
    tenant_id       uuid        NOT NULL,
    attempt         smallint    NOT NULL,           -- that asked for it
    call_id         text        NOT NULL,
    tool            text        NOT NULL,
    version         integer     NOT NULL,
    effect          smallint,                       -- null: there is no such tool, or its arguments do not fit
    arguments       text        NOT NULL,
    effect_id       text        NOT NULL,           -- Idempotency-Key of every send
    state           smallint    NOT NULL,
    result          text,                           -- what the model is given
    said            text,                           -- what the model wrote beside its calls; with the first of a round
    tokens          bigint      NOT NULL DEFAULT 0, -- of the turn; with the first of a round
    cost_usd        numeric,
    asked_attempt   smallint,                       -- whose wait decides about it
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    sent_at         timestamptz,
    ended_at        timestamptz,
    PRIMARY KEY (job_id, round, position)
);
SELECT raise_tenant_wall('job_tool_calls');
