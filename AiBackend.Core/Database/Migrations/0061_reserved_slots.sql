-- Slots that the dispatcher keeps free for a tenant while it uses fewer.
ALTER TABLE tenants ADD COLUMN reserved_slots integer NOT NULL DEFAULT 0 CHECK (reserved_slots >= 0);

-- Read once a second, however many tenants there are.
CREATE INDEX tenants_reserved ON tenants (id) INCLUDE (reserved_slots) WHERE reserved_slots > 0;
