-- What stands for old messages, and what is known of users (AiBackend.Core/Conversations). Expand only.

-- The job that writes a summary now, of the messages up to compaction_upto; a failed one is followed by a pause.
ALTER TABLE conversations
    ADD COLUMN compaction_job   uuid,
    ADD COLUMN compaction_upto  integer,
    ADD COLUMN compaction_at    timestamptz,            -- when it was submitted
    ADD COLUMN compact_after    timestamptz;
CREATE INDEX conversations_compacted ON conversations (compaction_job) WHERE compaction_job IS NOT NULL; -- the leader

-- What a summary says of a message that is gone must go too, also of one that is being written.
CREATE OR REPLACE FUNCTION forget_summary() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversations
       SET summary = CASE WHEN summary_upto < OLD.seq THEN summary END, summary_upto = CASE WHEN summary_upto < OLD.seq THEN summary_upto ELSE 0 END,
           compaction_job = NULL, compaction_upto = NULL
     WHERE id = OLD.conversation_id AND tenant_id = OLD.tenant_id AND (summary_upto >= OLD.seq OR compaction_upto >= OLD.seq);
    RETURN NULL;
END $$;

-- What models are told of a caller's user. Written by callers alone: nothing that a job says gets here by itself.
CREATE TABLE user_profiles (
    tenant_id   uuid        NOT NULL,
    end_user    text        NOT NULL,
    text        text        NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    updated_by  text        NOT NULL,
    PRIMARY KEY (tenant_id, end_user)
);
SELECT raise_tenant_wall('user_profiles');
CREATE CONSTRAINT TRIGGER profiles_are_audited AFTER INSERT OR UPDATE OR DELETE ON user_profiles
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('profile', '{end_user}', '{text}');
