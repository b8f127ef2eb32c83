-- A role for people and dashboards (docs/operations.md says how to log in with it): it reads, behind the wall between tenants, and neither secrets
-- nor who somebody is, nor what was asked and answered, for a look at that is to be in the audit log. Expand only.
DO $$
BEGIN
    -- Roles are of the whole server: another database of it, or a migration that runs at the same time, may have made it.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'aibackend_readonly') THEN
        CREATE ROLE aibackend_readonly NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
DO $$ BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO aibackend_readonly', current_schema());
END $$;

-- Lets people read a table, but for the columns that are named; every migration that makes one calls it, and a column that is added is closed until it is
-- called again. Nothing of it for a table that is secret as a whole.
CREATE FUNCTION let_read(shown regclass, closed text[] DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(closed) c WHERE c NOT IN (SELECT attname FROM pg_attribute WHERE attrelid = shown)) THEN
        RAISE EXCEPTION '% has not all of %', shown, closed;
    END IF;
    EXECUTE format('REVOKE ALL ON %s FROM aibackend_readonly', shown);
    EXECUTE (SELECT format('GRANT SELECT (%s) ON %s TO aibackend_readonly', string_agg(quote_ident(attname), ', ' ORDER BY attnum), shown)
               FROM pg_attribute WHERE attrelid = shown AND attnum > 0 AND NOT attisdropped AND attname <> ALL (closed));
END $$;

CREATE OR REPLACE FUNCTION raise_tenant_wall(behind regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', behind);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', behind);
    EXECUTE format('CREATE POLICY of_acting_tenants ON %s TO aibackend_api, aibackend_readonly
                    USING (tenant_id = ANY ((SELECT acting_tenants())::uuid[]))', behind);
    EXECUTE format('CREATE POLICY of_all_tenants ON %s TO aibackend_operator, aibackend_worker, CURRENT_USER USING (true)', behind);
END $$;

-- What changes a policy waits for every statement on its table. So it begins where most of them begin, while it holds nothing that they want, and gives
-- way at the other tables long before Postgres would look for a deadlock and end one of theirs; whoever migrates tries again.
LOCK TABLE ONLY jobs IN ACCESS EXCLUSIVE MODE;
SET LOCAL lock_timeout = '100ms';
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT polrelid::regclass AS behind FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
                  WHERE polname = 'of_acting_tenants' AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname
    LOOP
        EXECUTE format('ALTER POLICY of_acting_tenants ON %s TO aibackend_api, aibackend_readonly', found.behind);
    END LOOP;

    FOR found IN
        SELECT c.oid::regclass AS shown, coalesce(k.closed, '{}') AS closed
          FROM pg_class c
          LEFT JOIN (VALUES
            -- What opens a door, or is signed with, or could be guessed from its hash; and where doors are.
            ('api_keys', '{hash}'::text[]),
            ('refused_keys', '{key_id}'),
            ('routing_versions', '{body}'),
            ('tools', '{definition,secret}'),
            ('webhook_endpoints', '{url,secret,old_secret}'),
            ('bulk_actions', '{idempotency_key,meaning}'),
            ('flights', '{cache_key}'),
            ('idempotency_keys', '{key,fingerprint}'),
            -- Who somebody is.
            ('audit_log', '{object,before,after,address}'),
            ('tenant_deletions', '{reason}'),
            ('users', '{email,name,password}'),
            -- What was asked and answered, in whatever shape: the text of an error quotes it. Its code is open.
            ('batch_lines', '{error}'),
            ('batches', '{faults,metadata}'),
            ('cached_answers', '{cache_key,text}'),
            ('conversation_messages', '{content}'),
            ('conversations', '{title,instructions,metadata,summary}'),
            ('dead_letter_groups', '{shape}'),
            ('dead_letters', '{message}'),
            ('files', '{name,sha256}'),
            ('job_attempts', '{error_message,calls,checks,context}'),
            ('job_events', '{data}'),
            ('job_outputs', '{text,missing,tool_calls}'),
            ('job_payloads', '{input,title,metadata,details,terms,cache_key,webhook_url}'),
            ('job_tool_calls', '{arguments,result,said}'),
            ('job_waits', '{question,proposal,answer_data,edited_sha256}'),
            ('jobs', '{error_message}'),
            ('knowledge_chunks', '{readers,text,terms,vector}'),
            ('knowledge_documents', '{source,title,readers}'),
            ('prompt_versions', '{template}'),
            ('user_profiles', '{text}'),
            ('webhook_deliveries', '{body,url}'),
            ('webhook_sources', '{template,secret,old_secret}'),
            ('workflow_steps', '{output,error,checks}'),
            ('workflows', '{definition}')) AS k (name, closed) ON k.name = c.relname
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND c.relname NOT IN ('file_chunks', 'kept_answers', 'message_key', 'provider_credentials', 'sessions', 'setup_token', 'stream_tickets')
         ORDER BY c.relname
    LOOP
        PERFORM let_read(found.shown, found.closed);
    END LOOP;
END $$;

-- They run as the owner, past what the caller may see, so that they are for the programs alone: one gives passages of texts.
REVOKE EXECUTE ON FUNCTION is_attached(uuid, uuid), search_knowledge(uuid, text, text, text, text[], interval, integer), count_runs(uuid, text[], integer)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_attached(uuid, uuid), search_knowledge(uuid, text, text, text, text[], interval, integer), count_runs(uuid, text[], integer)
    TO aibackend_api, aibackend_operator, aibackend_worker;
REVOKE EXECUTE ON FUNCTION let_read(regclass, text[]) FROM PUBLIC;
