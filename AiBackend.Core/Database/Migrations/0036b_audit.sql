-- The audit log keeps no content: of a template for inbound webhooks a hash. Rows from before stay, because it only grows. Expand only.

-- Arguments: the kind; the columns that name the object; columns nobody may read here, or that do not matter; 'asked' where only what
-- somebody asked for counts, and not what the system does by itself.
CREATE OR REPLACE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    who jsonb := nullif(current_setting('aibackend.actor', true), '')::jsonb;
    left_out text[] := TG_ARGV[2]::text[];
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    became jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    one jsonb := coalesce(became, was);
    old_values jsonb := was - left_out;
    new_values jsonb := became - left_out;
BEGIN
    -- What a deleted tenant had is told in numbers, in the row that proves the deletion.
    IF (who IS NULL AND TG_ARGV[3] = 'asked') OR (TG_OP = 'DELETE' AND who ->> 'action' = 'delete_tenant') THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(key, value) INTO old_values FROM jsonb_each(was - left_out) WHERE value IS DISTINCT FROM became -> key;
        SELECT jsonb_object_agg(key, value) INTO new_values FROM jsonb_each(became - left_out) WHERE value IS DISTINCT FROM was -> key;
        IF new_values IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    -- What follows the host is often a receiver's secret.
    IF TG_ARGV[0] = 'webhook' THEN
        IF old_values ->> 'url' IS NOT NULL THEN
            old_values := jsonb_set(old_values, '{url}', to_jsonb(coalesce(substring(old_values ->> 'url' FROM '^[^:/?#]+://[^/?#]*'), '')));
        END IF;
        IF new_values ->> 'url' IS NOT NULL THEN
            new_values := jsonb_set(new_values, '{url}', to_jsonb(coalesce(substring(new_values ->> 'url' FROM '^[^:/?#]+://[^/?#]*'), '')));
        END IF;
    END IF;
    -- A template is what a tenant says to models: that it changed is told, and not what it says.
    IF TG_ARGV[0] = 'webhook_source' THEN
        IF old_values ? 'template' THEN
            old_values := jsonb_set(old_values, '{template}', to_jsonb('sha256:' || encode(sha256(convert_to(old_values ->> 'template', 'UTF8')), 'hex')));
        END IF;
        IF new_values ? 'template' THEN
            new_values := jsonb_set(new_values, '{template}', to_jsonb('sha256:' || encode(sha256(convert_to(new_values ->> 'template', 'UTF8')), 'hex')));
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

-- As 0029 has it: temporary tables come last.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION audit_change() SECURITY DEFINER SET search_path = %s, pg_temp', current_setting('search_path'));
END $$;
