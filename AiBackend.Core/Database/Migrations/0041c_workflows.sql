-- Workflows of tenants: versions never change.
CREATE TABLE workflows (
    tenant_id   uuid        NOT NULL,
    name        text        NOT NULL,
    version     integer     NOT NULL,
    definition  text        NOT NULL,               -- JSON of WorkflowDefinition
    created_at  timestamptz NOT NULL DEFAULT now(),
    created_by  text,
    PRIMARY KEY (tenant_id, name, version)
);
SELECT raise_tenant_wall('workflows');
CREATE CONSTRAINT TRIGGER workflows_are_audited AFTER INSERT OR UPDATE OR DELETE ON workflows
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('workflow', '{name,version}', '{definition,created_by,created_at}');

-- What became of the steps of runs. A run is a job; its definition is in the job's input.
CREATE TABLE workflow_steps (
    run_id      uuid        NOT NULL,
    name        text        NOT NULL,
    item        integer     NOT NULL DEFAULT -1,    -- of a map, from 0; -1 is the step itself
    tenant_id   uuid        NOT NULL,
    state       smallint    NOT NULL,               -- 1 running, 2 succeeded, 3 failed, 4 skipped
    job_id      uuid,                               -- the job that does it; it may still have to be submitted
    due_at      timestamptz,                        -- when a timer ends, or a wait for an event is given up
    output      text,                               -- JSON
    error       text,
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    PRIMARY KEY (run_id, name, item)
);
CREATE INDEX workflow_steps_open ON workflow_steps (job_id) WHERE ended_at IS NULL AND job_id IS NOT NULL; -- the leader
SELECT raise_tenant_wall('workflow_steps');

-- With a run go its steps. Of weeks that are dropped whole, the leader finds what is left.
CREATE FUNCTION forget_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM workflow_steps WHERE run_id = OLD.id AND tenant_id = OLD.tenant_id;
    RETURN NULL;
END $$;
CREATE TRIGGER runs_take_their_steps_along AFTER DELETE ON jobs FOR EACH ROW WHEN (OLD.type = 3) EXECUTE FUNCTION forget_steps();
