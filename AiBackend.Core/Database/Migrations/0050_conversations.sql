-- Threads of messages that jobs continue (AiBackend.Core/Conversations). Expand only.

-- In the order in which statements lock these tables.
LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE conversations (
    id              uuid        PRIMARY KEY,            -- UUIDv7
    tenant_id       uuid        NOT NULL,
    title           text,
    instructions    text,
    end_user        text,                               -- whose profile its models are given
    metadata        text,                               -- JSON object of strings
    last_seq        integer     NOT NULL DEFAULT 0,     -- number of its latest message
    turn_job        uuid,                               -- the job that began last; while it has not ended, no other one begins
    summary         text,                               -- stands for the messages up to summary_upto
    summary_upto    integer     NOT NULL DEFAULT 0,
    branch_of       uuid,
    branch_seq      integer,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(), -- of its latest message
    created_by      text
);
CREATE INDEX conversations_by_tenant ON conversations (tenant_id, id);      -- lists, newest first by keyset
CREATE INDEX conversations_by_age ON conversations (tenant_id, updated_at); -- those that nobody continues any more
SELECT raise_tenant_wall('conversations');

-- A message is added and never changed. Where it comes from stays with it.
CREATE TABLE conversation_messages (
    conversation_id uuid        NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    seq             integer     NOT NULL,
    tenant_id       uuid        NOT NULL,
    role            text        NOT NULL,               -- user or assistant
    content         text        NOT NULL,
    partial         boolean     NOT NULL DEFAULT false,
    job_id          uuid,                               -- null: it was brought from elsewhere
    tokens          integer     NOT NULL GENERATED ALWAYS AS ((octet_length(content) + 3) / 4) STORED, -- as ContextSize says it
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, seq)
);
CREATE INDEX conversation_messages_of_jobs ON conversation_messages (job_id) WHERE job_id IS NOT NULL; -- what goes with a job
CREATE INDEX conversation_messages_by_age ON conversation_messages (tenant_id, created_at);            -- content_days
SELECT raise_tenant_wall('conversation_messages');

-- What a summary says of a message that is gone must go too.
CREATE FUNCTION forget_summary() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversations SET summary = NULL, summary_upto = 0
     WHERE id = OLD.conversation_id AND tenant_id = OLD.tenant_id AND summary_upto >= OLD.seq;
    RETURN NULL;
END $$;
CREATE TRIGGER messages_take_their_summary_along AFTER DELETE ON conversation_messages FOR EACH ROW EXECUTE FUNCTION forget_summary();

CREATE CONSTRAINT TRIGGER conversations_are_audited AFTER DELETE ON conversations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION audit_change('conversation', '{id}', '{title,instructions,metadata,summary,summary_upto,turn_job}', 'asked');
CREATE CONSTRAINT TRIGGER messages_are_audited AFTER DELETE ON conversation_messages
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION audit_change('conversation_message', '{conversation_id,seq}', '{content}', 'asked');

-- Which conversation a job continues; null of most.
ALTER TABLE jobs ADD COLUMN conversation_id uuid;
CREATE INDEX jobs_of_conversation ON jobs (conversation_id, id) WHERE conversation_id IS NOT NULL AND status < 6;

-- What a job's model was given of it.
ALTER TABLE job_attempts ADD COLUMN context text;       -- JSON of JobContext; null without a conversation

-- The oldest job of a conversation that has not ended, for whoever submits another one; until that transaction's end nobody else does.
CREATE FUNCTION open_turn(p_tenant uuid, p_conversation uuid) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_conversation::text, 50));
    RETURN (SELECT j.id FROM jobs j WHERE j.conversation_id = p_conversation AND j.tenant_id = p_tenant AND j.status < 6 ORDER BY j.id LIMIT 1);
END $$;

-- Lets a job begin its turn, or names the job that it has to wait for: the one whose turn it is, or else the oldest that was to begin before it.
CREATE FUNCTION enter_turn(p_job uuid, p_tenant uuid, p_conversation uuid) RETURNS TABLE (is_there boolean, waits_for uuid) LANGUAGE plpgsql AS $$
DECLARE
    holder uuid;
    other uuid;
BEGIN
    SELECT c.turn_job INTO holder FROM conversations c WHERE c.id = p_conversation AND c.tenant_id = p_tenant FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT false, NULL::uuid;
        RETURN;
    END IF;
    IF holder IS DISTINCT FROM p_job THEN
        -- The nearest one before it: an end wakes one, and not all that wait.
        SELECT j.id INTO other FROM jobs j
         WHERE j.conversation_id = p_conversation AND j.tenant_id = p_tenant AND j.status < 6 AND j.id <> p_job
           AND (j.id = holder OR (j.id < p_job AND j.status > 0))
         ORDER BY (j.id < p_job) DESC, j.id DESC LIMIT 1;
        IF other IS NULL THEN
            UPDATE conversations SET turn_job = p_job WHERE id = p_conversation;
        END IF;
    END IF;
    RETURN QUERY SELECT true, other;
END $$;

-- What was said in a job's turn becomes part of the conversation in the transaction in which the job ends well, whoever ends it: a worker, a
-- reviewer or time. Nothing is kept of a job that fails or is cancelled.
CREATE FUNCTION end_turn() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    said text[] := ARRAY(SELECT m ->> 'content'
                           FROM job_payloads p, json_array_elements(p.input::json -> 'messages') WITH ORDINALITY AS t (m, place)
                          WHERE p.job_id = NEW.id AND m ->> 'role' = 'user' ORDER BY place);
    answer text := (SELECT o.text FROM job_outputs o WHERE o.job_id = NEW.id AND o.text <> '');
    n integer := cardinality(said);
    last integer;
BEGIN
    UPDATE conversations SET last_seq = last_seq + n + (answer IS NOT NULL)::int, updated_at = now()
     WHERE id = NEW.conversation_id AND tenant_id = NEW.tenant_id
    RETURNING last_seq - n - (answer IS NOT NULL)::int INTO last;
    IF FOUND THEN
        INSERT INTO conversation_messages (conversation_id, seq, tenant_id, role, content, job_id)
        SELECT NEW.conversation_id, last + s.i, NEW.tenant_id, 'user', s.text, NEW.id FROM unnest(said) WITH ORDINALITY AS s (text, i);
        INSERT INTO conversation_messages (conversation_id, seq, tenant_id, role, content, partial, job_id)
        SELECT NEW.conversation_id, last + n + 1, NEW.tenant_id, 'assistant', answer, NEW.status = 7, NEW.id WHERE answer IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER jobs_end_turns AFTER UPDATE OF status ON jobs
    FOR EACH ROW WHEN (NEW.conversation_id IS NOT NULL AND NEW.status IN (6, 7) AND OLD.status < 6) EXECUTE FUNCTION end_turn();
