-- Slots that the dispatcher keeps free for a tenant while it uses fewer.
ALTER TABLE tenants ADD COLUMN reserved_slots integer NOT NULL DEFAULT 0 CHECK (reserved_slots >= 0);

-- Read once a second, however many tenants there are.
CREATE INDEX tenants_reserved ON tenants (id) INCLUDE (reserved_slots) WHERE reserved_slots > 0;

DROP TRIGGER audit ON tenants;
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF slug, name, tier, max_queued, reserved_slots, organisation_id, disabled_at, content_days, deletion_at ON tenants
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('tenant', '{slug}', '{}');
