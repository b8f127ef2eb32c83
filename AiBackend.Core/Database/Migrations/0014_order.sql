-- What the order of the line is made of: whose job it is, how long it may run, what it may cost (AiBackend.Core/Queue/Order).

-- Says a tenant's share of the slots and how urgent its jobs may be; the tiers are in the configuration (Queue:Tiers).
ALTER TABLE tenants ADD COLUMN tier text NOT NULL DEFAULT 'standard';
-- The most urgent priority this key may ask for; null is that of the tenant's tier.
ALTER TABLE api_keys ADD COLUMN highest_priority smallint;

-- Estimates of the submission, for the order only. expected_length is the power of two, in milliseconds, that the run is expected not to
-- exceed (JobLength); 13 where nothing is known.
ALTER TABLE jobs
    ADD COLUMN expected_tokens integer  NOT NULL DEFAULT 1000,
    ADD COLUMN expected_length smallint NOT NULL DEFAULT 13;

-- The heads of the line, one range for each priority, tenant and length: the dispatcher reads a few rows of each, however long they are.
CREATE INDEX jobs_line ON jobs (priority, tenant_id, expected_length, id) WHERE status = 1 AND pool = 'default';

-- Slots for jobs of the ready stream; null of a worker of the version before, all of whose slots are taken for such.
ALTER TABLE workers ADD COLUMN ready_slots integer;
