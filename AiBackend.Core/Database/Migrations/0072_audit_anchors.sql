-- Where the audit log stood, once a day (AiBackend.Core/Audit/AuditAnchors). The leader says each in its own log too: whoever rewrites the log with all
-- that comes after in the database would have to rewrite what was written elsewhere. Expand only.
CREATE TABLE audit_anchors (
    day         date        PRIMARY KEY,        -- in UTC
    seq         bigint      NOT NULL,           -- the latest row then
    hash        bytea       NOT NULL            -- its hash
);
CREATE TRIGGER audit_anchors_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_anchors EXECUTE FUNCTION refuse_audit_change();

-- Once a day, whoever asks however often.
CREATE FUNCTION anchor_audit() RETURNS TABLE (seq bigint, hash bytea) LANGUAGE sql AS $$
    INSERT INTO audit_anchors AS n (day, seq, hash)
    SELECT (now() AT TIME ZONE 'UTC')::date, h.seq, h.hash FROM audit_head h WHERE h.seq > 0
    ON CONFLICT (day) DO NOTHING
    RETURNING n.seq, n.hash
$$;

-- As the log itself: it grows by its function alone, which is the owner's, and the leader's to call. Temporary tables come last.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION anchor_audit() SECURITY DEFINER SET search_path = %s, pg_temp', current_setting('search_path'));
END $$;
REVOKE ALL ON audit_anchors FROM PUBLIC, aibackend_api, aibackend_operator, aibackend_worker;
GRANT SELECT ON audit_anchors TO aibackend_operator;
REVOKE EXECUTE ON FUNCTION anchor_audit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION anchor_audit() TO aibackend_worker;
