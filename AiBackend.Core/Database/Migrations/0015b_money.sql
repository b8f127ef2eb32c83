-- What calls cost, and what they may cost (AiBackend.Core/Money). Amounts are US dollars. Expand only.

-- In the order in which statements lock these tables: a migration that waits for a claim must not be what the claim waits for.
LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE job_payloads ADD COLUMN max_cost_usd numeric;
-- A cost has as many decimals as it takes: rounded ones would not add up. Without a scale, no row is rewritten.
ALTER TABLE job_attempts ALTER COLUMN cost_usd TYPE numeric;

-- What a deployment charges for a million tokens. A row never changes: another price is another version.
CREATE TABLE prices (
    provider    text        NOT NULL,
    model       text        NOT NULL,
    version     integer     NOT NULL,
    valid_from  timestamptz NOT NULL,
    input       numeric     NOT NULL,
    cached      numeric     NOT NULL,   -- of the input, what the provider had cached
    output      numeric     NOT NULL,
    reasoning   numeric     NOT NULL,   -- of the output, what the model thought
    set_by      text        NOT NULL,   -- public id of an API key, or 'configuration'
    set_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, model, version)
);
CREATE FUNCTION refuse_price_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a price never changes; add a version' USING ERRCODE = 'AI003';
END $$;
CREATE TRIGGER prices_are_final BEFORE UPDATE OR DELETE ON prices FOR EACH ROW EXECUTE FUNCTION refuse_price_change();

-- How much may be spent in a window. At any instant settled + reserved is no more than the limit of a hard one, but for what calls were
-- billed above what was reserved for them, and for a limit that was lowered. What is reserved outlives its window; what is settled counts
-- in the window in which it was.
CREATE TABLE budgets (
    id              uuid        PRIMARY KEY,
    tenant_id       uuid        NOT NULL,               -- who made it
    scope           smallint    NOT NULL,               -- BudgetScope
    subject         text        NOT NULL,               -- which key, user or feature; else empty
    path            text        NOT NULL,               -- of budget_paths
    period          smallint    NOT NULL,               -- BudgetPeriod
    limit_usd       numeric     NOT NULL,
    hard            boolean     NOT NULL,
    thresholds      smallint[]  NOT NULL,               -- in percent of the limit
    window_at       timestamptz NOT NULL,               -- begin of the window that settled_usd is of
    settled_usd     numeric     NOT NULL DEFAULT 0,
    reserved_usd    numeric     NOT NULL DEFAULT 0,
    asked_usd       numeric     NOT NULL DEFAULT 0,     -- the least that was refused lately: how many of those who wait may go on is guessed by it
    asked_at        timestamptz,
    refused_at      timestamptz,                        -- lately; null when no job waits for it
    raised          boolean     NOT NULL DEFAULT true,  -- new or higher: the leader has not yet looked who may go on
    set_by          text        NOT NULL,               -- public id of an API key
    created_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX budgets_by_path ON budgets (path, period) WHERE deleted_at IS NULL;
CREATE INDEX budgets_by_tenant ON budgets (tenant_id, id) WHERE deleted_at IS NULL;
CREATE INDEX budgets_refusing ON budgets (id) WHERE refused_at IS NOT NULL OR deleted_at IS NOT NULL OR raised; -- the leader

-- One row a call, written before it is made. Its id for the provider is job_id-lease_epoch-call.
-- State: 0 reserved, 1 sent, 2 settled, 3 released (never made), 4 unknown (made, and nobody knows what it used).
CREATE TABLE provider_calls (
    job_id          uuid        NOT NULL,
    lease_epoch     integer     NOT NULL,
    call            smallint    NOT NULL,
    state           smallint    NOT NULL,
    tenant_id       uuid        NOT NULL,
    key_id          text,
    feature         text,
    end_user        text,
    provider        text        NOT NULL,
    model           text        NOT NULL,
    price_version   integer,                            -- null: no price, cost unknown
    reserved_usd    numeric,
    cost_usd        numeric,
    input_tokens    bigint,
    cached_tokens   bigint,
    output_tokens   bigint,
    reasoning_tokens bigint,
    reserved_at     timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    budgets         uuid[],                             -- those it was reserved on
    PRIMARY KEY (job_id, lease_epoch, call)
) PARTITION BY RANGE (job_id);
CREATE INDEX provider_calls_open ON provider_calls (reserved_at) WHERE state IN (0, 1); -- what dead workers left

-- Ages with its job.
CREATE OR REPLACE FUNCTION job_tables() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY['jobs', 'job_payloads', 'job_outputs', 'job_events', 'job_attempts', 'provider_calls']
$$;
CREATE TABLE provider_calls_default PARTITION OF provider_calls DEFAULT;
DO $$
DECLARE
    p record;
BEGIN
    FOR p IN SELECT * FROM job_partitions() LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF provider_calls FOR VALUES FROM (%s) TO (%L)', 'provider_calls_' || p.suffix,
                       coalesce(quote_literal(p.from_id), 'MINVALUE'), p.to_id);
    END LOOP;
END $$;

-- What calls cost, by day of their end in UTC and by whom: kept when the calls themselves have aged away. Empty stands for none.
CREATE TABLE usage_days (
    day             date        NOT NULL,
    tenant_id       uuid        NOT NULL,
    key_id          text        NOT NULL,
    end_user        text        NOT NULL,
    feature         text        NOT NULL,
    provider        text        NOT NULL,
    model           text        NOT NULL,
    calls           bigint      NOT NULL,
    unpriced_calls  bigint      NOT NULL,               -- whose cost nobody knows
    unknown_calls   bigint      NOT NULL,               -- booked at what was reserved
    input_tokens    numeric     NOT NULL,
    cached_tokens   numeric     NOT NULL,
    output_tokens   numeric     NOT NULL,
    reasoning_tokens numeric    NOT NULL,
    cost_usd        numeric     NOT NULL,               -- without what is unknown
    unknown_usd     numeric     NOT NULL,
    PRIMARY KEY (tenant_id, day, key_id, end_user, feature, provider, model)
);
CREATE INDEX usage_days_by_day ON usage_days (day); -- the pruner

-- Jobs that wait for money, or have been let go on and are not claimed yet.
CREATE INDEX jobs_budgeted ON jobs (waiting_reason, priority, due_at) WHERE status IN (1, 5) AND waiting_reason LIKE 'budget:%';

CREATE FUNCTION budget_window(period smallint, moment timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE period WHEN 0 THEN date_trunc('minute', moment, 'UTC') WHEN 1 THEN date_trunc('hour', moment, 'UTC')
                       WHEN 2 THEN date_trunc('day', moment, 'UTC') WHEN 3 THEN date_trunc('month', moment, 'UTC')
                       ELSE '2000-01-01Z'::timestamptz END
$$;

-- When the window ends; null is never.
CREATE FUNCTION budget_turn(period smallint, moment timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE period WHEN 0 THEN date_trunc('minute', moment, 'UTC') + interval '1 minute' WHEN 1 THEN date_trunc('hour', moment, 'UTC') + interval '1 hour'
                       WHEN 2 THEN date_trunc('day', moment, 'UTC') + interval '24 hours'
                       WHEN 3 THEN (date_trunc('month', moment AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC' END
$$;

-- The budgets that a call takes from are those with one of these paths.
CREATE FUNCTION budget_paths(tenant_id uuid, key_id text, end_user text, feature text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY['global', 'tenant:' || tenant_id, 'key:' || tenant_id || ':' || key_id, 'user:' || tenant_id || ':' || end_user,
                 'feature:' || tenant_id || ':' || feature]
$$;

-- What a job that waits for a budget says; with "too_large" when the whole limit would not do.
CREATE FUNCTION budget_reason(b budgets, is_too_large boolean DEFAULT false) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'budget:' || CASE WHEN is_too_large THEN 'too_large:' ELSE '' END || (ARRAY['global', 'tenant', 'key', 'user', 'feature'])[b.scope + 1] || CASE WHEN b.subject = '' THEN '' ELSE ':' || b.subject END
        || ':' || (ARRAY['minute', 'hour', 'day', 'month', 'total'])[b.period + 1]
$$;

-- Locked in one order before anything is decided or changed, and rolled on to now.
CREATE FUNCTION lock_budgets(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(ids) = 0 THEN
        RETURN;
    END IF;
    PERFORM 1 FROM budgets b WHERE b.id = ANY (ids) ORDER BY b.id FOR UPDATE;
    UPDATE budgets b SET window_at = budget_window(b.period, clock_timestamp()), settled_usd = 0
     WHERE b.id = ANY (ids) AND b.window_at < budget_window(b.period, clock_timestamp());
END $$;
