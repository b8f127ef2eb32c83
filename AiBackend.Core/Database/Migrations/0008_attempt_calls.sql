-- The provider calls of an attempt where its row alone cannot tell them: more than one, or one that was not made. JSON.
ALTER TABLE job_attempts ADD COLUMN calls text;
-- Why a failed job waits for its next attempt. It outlives the claim, which reads from it that the attempt is a retry.
ALTER TABLE jobs ADD COLUMN waiting_reason text;
