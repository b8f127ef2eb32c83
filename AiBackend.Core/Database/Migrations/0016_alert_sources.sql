-- Alerts about other things than dead letters, which say themselves what they mean. Those of tenant 00000000-… concern everyone.
ALTER TABLE alerts ADD COLUMN message text;
