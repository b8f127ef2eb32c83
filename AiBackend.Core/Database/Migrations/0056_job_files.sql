-- Files that jobs are given, and files that they make (AiBackend.Core/Files, AiBackend.Core/Jobs). Expand only.

-- In the order in which statements lock these tables.
LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;

-- What a job is given, by its terms; null of most, whose terms are not even parsed.
CREATE FUNCTION attachments_of(terms text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN terms LIKE '%"attachments":%' THEN terms::jsonb -> 'attachments' END
$$;
-- Names nothing of this schema: what indexes are made of is analysed and restored without a search path.
CREATE FUNCTION attached_files(terms text) RETURNS uuid[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY(SELECT (a ->> 'file')::uuid FROM jsonb_array_elements(CASE WHEN terms LIKE '%"attachments":%' THEN terms::jsonb -> 'attachments' END) a)
$$;
-- Whoever deletes a file asks which jobs have it. The condition is looked at for every job, the function called for few.
CREATE INDEX job_payloads_by_file ON job_payloads USING gin (attached_files(terms)) WHERE terms LIKE '%"attachments":%';

-- Whether a job that has not ended is given the file.
CREATE FUNCTION is_attached(p_tenant uuid, p_file uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM job_payloads p JOIN jobs j ON j.id = p.job_id
                    WHERE p.terms LIKE '%"attachments":%' AND attached_files(p.terms) @> ARRAY[p_file]
                      AND p.tenant_id = p_tenant AND j.status::int < 6)
$$;
-- The owner looks: behind the tenant wall the index would be of no use.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION is_attached(uuid, uuid) SECURITY DEFINER SET search_path = %s, pg_temp', current_setting('search_path'));
END $$;

ALTER TABLE jobs ADD COLUMN writes_artifact boolean NOT NULL DEFAULT false; -- its answer becomes a file

-- The file that a job's answer becomes: of its id and of its time, so that there is one, and lists have it in its place.
CREATE FUNCTION artifact_of(p_job uuid) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (left(p_job::text, 15) || substr(md5('artifact ' || p_job), 1, 3) || substr(p_job::text, 19, 2)
            || substr(md5('artifact ' || p_job), 4, 3) || '-' || substr(md5('artifact ' || p_job), 7, 12))::uuid
$$;

-- An answer becomes a file in the transaction in which its job ends well, whoever ends it: a worker, a reviewer or time. It takes no room of the
-- tenant's files, as its text takes none: so no statement that ends jobs waits for one that counts files.
CREATE FUNCTION keep_artifact() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    piece CONSTANT integer := 262144; -- FileStore.ChunkBytes
    said bytea := (SELECT convert_to(o.text, 'UTF8') FROM job_outputs o WHERE o.job_id = NEW.id AND o.text <> '' AND o.tool_calls IS NULL);
    wanted jsonb := (SELECT p.terms::jsonb -> 'artifact' FROM job_payloads p WHERE p.job_id = NEW.id);
BEGIN
    IF said IS NULL OR wanted IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO files (id, tenant_id, purpose, name, bytes, ready_at, expires_at, media_type, sha256)
    VALUES (artifact_of(NEW.id), NEW.tenant_id, 'artifact', wanted ->> 'name', length(said), now(),
            now() + make_interval(secs => coalesce((wanted ->> 'kept_for_seconds')::double precision, 30 * 86400)),
            wanted ->> 'type', sha256(said));
    INSERT INTO file_chunks (file_id, n, tenant_id, content)
    SELECT artifact_of(NEW.id), n, NEW.tenant_id, substring(said FROM n * piece + 1 FOR piece) FROM generate_series(0, (length(said) - 1) / piece) n;
    RETURN NULL;
END $$;
CREATE TRIGGER jobs_keep_artifacts AFTER UPDATE OF status ON jobs
    FOR EACH ROW WHEN (NEW.writes_artifact AND NEW.status = 6 AND OLD.status < 6) EXECUTE FUNCTION keep_artifact();

-- What a job has made repeats its words, and goes with it. The function is patched and not repeated, so that there is one text of it.
DO $$
DECLARE
    old text := pg_get_functiondef('delete_jobs'::regproc);
    before text := '    DELETE FROM webhook_deliveries WHERE';
BEGIN
    IF position(before IN old) = 0 THEN
        RAISE EXCEPTION 'delete_jobs is not what this migration knows';
    END IF;
    EXECUTE replace(old, before, $patch$    DELETE FROM files WHERE tenant_id = p_tenant AND id IN (SELECT artifact_of(i) FROM unnest(ids) i);
    GET DIAGNOSTICS n = ROW_COUNT;
    counts := counts || jsonb_build_object('files', n);
$patch$ || before);
END $$;
