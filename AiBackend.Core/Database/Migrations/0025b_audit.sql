-- What people and programs changed about the installation, written by the tables themselves in the transaction of the change
-- (AiBackend.Core/Audit). It only grows: every row's hash covers the row before. Expand only.

CREATE TABLE audit_log (
    seq         bigint      PRIMARY KEY,        -- from 1, without gaps
    at          timestamptz NOT NULL,
    tenant_id   uuid        NOT NULL,           -- whose it is; of what concerns everybody, of who did it
    actor       text        NOT NULL,           -- public id of an API key, a user, or who else it was
    action      text        NOT NULL,           -- what was asked for
    kind        text        NOT NULL,           -- of what
    object      text        NOT NULL,           -- which
    before      jsonb,                          -- what changed, as it was; null when it was not there
    after       jsonb,                          -- what changed, as it is; null when it is gone
    request_id  text,                           -- trace id of the request
    address     text,
    hash        bytea       NOT NULL
);
CREATE INDEX audit_log_by_tenant ON audit_log (tenant_id, seq);

-- The latest row: without it nobody would notice that the last rows are gone.
CREATE TABLE audit_head (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    seq         bigint      NOT NULL,
    hash        bytea       NOT NULL
);
INSERT INTO audit_head (seq, hash) VALUES (0, '');

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows' USING ERRCODE = 'AI004';
END $$;
CREATE TRIGGER audit_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log EXECUTE FUNCTION refuse_audit_change();
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM PUBLIC;

-- A time as a number, because its text depends on the session.
CREATE FUNCTION audit_hash(previous bytea, r audit_log) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(previous || convert_to(jsonb_build_array(
        r.seq, (extract(epoch FROM r.at) * 1000000)::bigint, r.tenant_id, r.actor, r.action, r.kind, r.object, r.before, r.after,
        r.request_id, r.address)::text, 'UTF8'))
$$;

-- The one place where a row is made. The lock on the head makes rows follow each other; it is held to the end of the transaction, so that
-- who changes tables comes here last, at the commit.
CREATE FUNCTION audit_append(
    p_tenant uuid, p_actor text, p_action text, p_kind text, p_object text, p_before jsonb, p_after jsonb, p_request text, p_address text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    head audit_head;
    r audit_log;
BEGIN
    SELECT * INTO head FROM audit_head FOR UPDATE;
    r := ROW (head.seq + 1, clock_timestamp(), p_tenant, p_actor, p_action, p_kind, p_object, p_before, p_after, p_request, p_address, '');
    r.hash := audit_hash(head.hash, r);
    INSERT INTO audit_log SELECT r.*;
    UPDATE audit_head SET seq = r.seq, hash = r.hash;
    RETURN r.seq;
END $$;

-- Says, for the rest of the transaction, who does what: JSON with tenant, actor, action, request and address.
CREATE PROCEDURE acting_as(who text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('aibackend.actor', who, true);
END $$;

-- Arguments: the kind; the columns that name the object; columns nobody may read here, or that do not matter; 'asked' where only what
-- somebody asked for counts, and not what the system does by itself.
CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    who jsonb := nullif(current_setting('aibackend.actor', true), '')::jsonb;
    left_out text[] := TG_ARGV[2]::text[];
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    became jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    one jsonb := coalesce(became, was);
    old_values jsonb := was - left_out;
    new_values jsonb := became - left_out;
BEGIN
    IF who IS NULL AND TG_ARGV[3] = 'asked' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(key, value) INTO old_values FROM jsonb_each(was - left_out) WHERE value IS DISTINCT FROM became -> key;
        SELECT jsonb_object_agg(key, value) INTO new_values FROM jsonb_each(became - left_out) WHERE value IS DISTINCT FROM was -> key;
        IF new_values IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM audit_append(
        coalesce(one ->> 'tenant_id', CASE TG_ARGV[0] WHEN 'tenant' THEN one ->> 'id' END, who ->> 'tenant', '00000000-0000-7000-8000-000000000001')::uuid,
        coalesce(who ->> 'actor', CASE TG_OP WHEN 'INSERT' THEN coalesce(one ->> 'set_by', one ->> 'created_by') END, 'database:' || session_user),
        coalesce(who ->> 'action', lower(TG_OP) || '_' || TG_ARGV[0]),
        TG_ARGV[0],
        (SELECT string_agg(one ->> c, '/' ORDER BY n) FROM unnest(TG_ARGV[1]::text[]) WITH ORDINALITY AS u (c, n) WHERE one ->> c <> ''),
        old_values, new_values, who ->> 'request', who ->> 'address');
    RETURN NULL;
END $$;

-- At the commit, after every other lock: changes of several rows in any order cannot wait for each other here. The columns of an UPDATE
-- are those that people change, so that what runs all the time does not even look.
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF slug, name, tier, max_queued, organisation_id, disabled_at ON tenants
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('tenant', '{slug}', '{}');
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON organisations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('organisation', '{slug}', '{}');
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF tenant_id, name, hash, scopes, expires_at, revoked_at, highest_priority, allowed_models, allowed_networks,
        requests_per_minute, tokens_per_minute, max_queued, replaced_by ON api_keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('key', '{key_id}', '{hash,last_used_at}');
CREATE CONSTRAINT TRIGGER audit AFTER INSERT ON routing_versions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('routing', '{name}', '{created_by,created_at}');
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON provider_credentials
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('credential', '{provider,model}', '{sealed,hint}');
CREATE CONSTRAINT TRIGGER audit AFTER INSERT ON prices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('price', '{provider,model}', '{set_by,set_at}');
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR UPDATE OF limit_usd, hard, thresholds, deleted_at ON budgets
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('budget', '{id}', '{window_at,settled_usd,reserved_usd,asked_usd,asked_at,refused_at,raised,set_by}');
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON controls
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('control', '{kind,name}', '{set_by,set_at}');
CREATE CONSTRAINT TRIGGER audit AFTER DELETE ON refused_keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('provider', '{provider}', '{}', 'asked');
CREATE CONSTRAINT TRIGGER audit AFTER UPDATE OF replayed_by, discarded_at ON dead_letters
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('dead_letter', '{job_id}', '{message,closed_by}', 'asked');
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR UPDATE OF status ON bulk_actions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('bulk_action', '{id}', '{meaning,next_step_at,idempotency_key}', 'asked');
CREATE CONSTRAINT TRIGGER audit AFTER UPDATE OF acknowledged_at ON alerts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('alert', '{id}', '{firing_at,value,message}', 'asked');
