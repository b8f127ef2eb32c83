-- How long jobs run and what they use, learned from those that ended (AiBackend.Core/Queue/Estimates). One row for each tenant, model and
-- feature, and for all features ('*') and all tenants (zero) together; every process reads the same, and a restart forgets nothing.
CREATE TABLE job_estimates (
    tenant_id   uuid             NOT NULL,
    model       text             NOT NULL,
    feature     text             NOT NULL,   -- '' is none, '*' is any
    samples     integer          NOT NULL,
    run_p50     double precision NOT NULL,   -- seconds
    run_p90     double precision NOT NULL,
    tokens_p50  double precision NOT NULL,   -- input and output
    tokens_p90  double precision NOT NULL,
    updated_at  timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, model, feature)
);
