-- Files say what they are, and equal ones of a tenant share their bytes (AiBackend.Core/Files). Expand only.

ALTER TABLE files
    ADD COLUMN media_type   text    NOT NULL DEFAULT 'application/octet-stream',    -- by its bytes, whatever its sender calls it
    ADD COLUMN sha256       bytea,                                                  -- null while it is written, and of files from before
    ADD COLUMN content_id   uuid;                                                   -- the file under whose id its pieces are; null: its own
CREATE INDEX files_by_hash ON files (tenant_id, sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX files_by_content ON files (content_id) WHERE content_id IS NOT NULL;

-- The pieces of a file that is gone stay while another one has them.
ALTER TABLE file_chunks DROP CONSTRAINT file_chunks_file_id_fkey;

CREATE FUNCTION drop_content() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM file_chunks c
     WHERE c.file_id = coalesce(OLD.content_id, OLD.id) AND c.tenant_id = OLD.tenant_id
       AND NOT EXISTS (SELECT 1 FROM files f WHERE f.id = c.file_id)
       AND NOT EXISTS (SELECT 1 FROM files f WHERE f.content_id = c.file_id);
    RETURN NULL;
END $$;
CREATE TRIGGER files_take_their_content_along AFTER DELETE ON files FOR EACH ROW EXECUTE FUNCTION drop_content();
