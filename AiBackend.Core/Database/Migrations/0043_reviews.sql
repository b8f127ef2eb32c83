-- Reviews: waits of the kind 2, which people decide. Who looks at one, who decided it, and whether the result is in the reviewer's words.
-- Expand only: whoever asks and answers without these leaves them as they are.
ALTER TABLE job_waits
    ADD COLUMN version       integer     NOT NULL DEFAULT 1,     -- grows with each change that another reviewer should see
    ADD COLUMN claimed_by    text,                               -- who has it in hand, until claimed_until
    ADD COLUMN claimed_until timestamptz,
    ADD COLUMN answered_by   text,                               -- null where no person did
    ADD COLUMN edited_sha256 text,                               -- of the reviewer's words, where they are the result
    ADD COLUMN overridden    boolean     NOT NULL DEFAULT false; -- they break the job's contract, and the reviewer said that they may

CREATE INDEX job_waits_reviews ON job_waits (tenant_id, job_id, attempt) WHERE kind = 2;
CREATE INDEX job_waits_open_reviews ON job_waits (tenant_id, job_id, attempt) WHERE kind = 2 AND answered_at IS NULL;

-- Who decided what; of the content a hash.
CREATE CONSTRAINT TRIGGER audit AFTER UPDATE OF answer ON job_waits DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.kind = 2)
    EXECUTE FUNCTION audit_change('review', '{job_id,attempt}', '{question,proposal,answer_data,answered_by,answered_at,claimed_by,claimed_until,version}', 'asked');
