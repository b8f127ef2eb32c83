-- Stored prompts (AiBackend.Core/Prompts). Versions and changes of labels are added and never rewritten. Expand only.
CREATE TABLE prompts (
    tenant_id       uuid        NOT NULL,
    name            text        NOT NULL,
    description     text,
    latest          integer     NOT NULL,               -- its newest version
    created_at      timestamptz NOT NULL DEFAULT now(),
    created_by      text        NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
SELECT raise_tenant_wall('prompts');

CREATE TABLE prompt_versions (
    tenant_id       uuid        NOT NULL,
    name            text        NOT NULL,
    version         integer     NOT NULL,
    note            text,
    template        text        NOT NULL,               -- JSON of PromptTemplate
    created_at      timestamptz NOT NULL DEFAULT now(),
    created_by      text        NOT NULL,
    PRIMARY KEY (tenant_id, name, version),
    FOREIGN KEY (tenant_id, name) REFERENCES prompts (tenant_id, name)
);
SELECT raise_tenant_wall('prompt_versions');

-- Every change of a label; the one with the highest number counts.
CREATE TABLE prompt_labels (
    tenant_id       uuid        NOT NULL,
    name            text        NOT NULL,
    label           text        NOT NULL,
    seq             integer     NOT NULL,
    version         integer     NOT NULL,
    canary_version  integer,
    canary_percent  double precision,
    rolled_back_to  integer,                            -- the change whose words this one took up again
    set_at          timestamptz NOT NULL DEFAULT now(),
    set_by          text        NOT NULL,
    PRIMARY KEY (tenant_id, name, label, seq),
    FOREIGN KEY (tenant_id, name) REFERENCES prompts (tenant_id, name)
);
SELECT raise_tenant_wall('prompt_labels');

CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are added and never changed', TG_TABLE_NAME;
END $$;
CREATE TRIGGER prompt_versions_stay BEFORE UPDATE ON prompt_versions FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER prompt_labels_stay BEFORE UPDATE ON prompt_labels FOR EACH ROW EXECUTE FUNCTION refuse_rewriting();

-- Who made what; the texts themselves are in their tables.
CREATE CONSTRAINT TRIGGER audit AFTER INSERT ON prompts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('prompt', '{name}', '{latest}');
CREATE CONSTRAINT TRIGGER audit AFTER INSERT ON prompt_versions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('prompt_version', '{name,version}', '{template}');
CREATE CONSTRAINT TRIGGER audit AFTER INSERT ON prompt_labels
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('prompt_label', '{name,label}', '{}');

-- The version that a job was made of; null of most, whose terms are not even parsed.
CREATE FUNCTION prompt_of(terms text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN terms LIKE '%"prompt":"%' THEN terms::jsonb ->> 'prompt' END
$$;

-- How each version fares: only jobs with a prompt are in it.
CREATE INDEX job_payloads_by_prompt ON job_payloads (tenant_id, prompt_of(terms), job_id) WHERE prompt_of(terms) IS NOT NULL;
