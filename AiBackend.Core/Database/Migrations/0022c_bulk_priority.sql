-- The most urgent priority that the new jobs of a bulk action may have: that of the key that asked for it. Expand only.
ALTER TABLE bulk_actions ADD COLUMN highest_priority smallint NOT NULL DEFAULT 0;
