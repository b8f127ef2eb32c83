-- Steps say what they are, so that an event reaches only a step that waits for one; and it is kept until the run takes it in. Expand only.
ALTER TABLE workflow_steps
    ADD COLUMN type      text,          -- StepTypes
    ADD COLUMN posted_at timestamptz;   -- of an event: since when it is here, in output
CREATE INDEX workflow_steps_posted ON workflow_steps (run_id) WHERE ended_at IS NULL AND posted_at IS NOT NULL; -- the leader
CREATE INDEX workflow_steps_by_job ON workflow_steps (job_id) WHERE job_id IS NOT NULL; -- jobs that are deleted

-- For lists, which show no definitions.
ALTER TABLE workflows ADD COLUMN description text;
