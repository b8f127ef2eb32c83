-- Jobs that wait for a tool's result or a person's decision, and what was answered. The numbers' names are in
-- AiBackend.Core/Jobs/Waits (WaitKind, WaitDefault, WaitAnswer).

-- One row per attempt that ended by asking; it waits until answered_at is set. A wait is named by its attempt, so that an answer that
-- comes late cannot be taken for the answer to the next question.
CREATE TABLE job_waits (
    job_id          uuid        NOT NULL,
    attempt         smallint    NOT NULL,
    tenant_id       uuid        NOT NULL,
    kind            smallint    NOT NULL,
    schema_version  smallint    NOT NULL,
    question        text        NOT NULL,   -- JSON: the tool's arguments, or what the reviewer must know
    proposal        text,                   -- the result that a reviewer may accept
    on_timeout      smallint    NOT NULL,
    timeout_at      timestamptz,
    asked_at        timestamptz NOT NULL DEFAULT now(),
    answered_at     timestamptz,
    answer          smallint,
    answer_data     text,                   -- JSON: the tool's result, or the reviewer's words
    PRIMARY KEY (job_id, attempt)
);
CREATE INDEX job_waits_timeout ON job_waits (timeout_at) WHERE answered_at IS NULL AND timeout_at IS NOT NULL; -- what nobody answered in time

-- What a job was given and what it produced are written once; like the end of a job, not only by agreement.
CREATE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of job % is written once and cannot change', TG_TABLE_NAME, OLD.job_id USING ERRCODE = 'AI001';
END $$;
CREATE TRIGGER job_outputs_are_final BEFORE UPDATE ON job_outputs FOR EACH ROW EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER job_payloads_are_final BEFORE UPDATE ON job_payloads FOR EACH ROW EXECUTE FUNCTION refuse_rewrite();
