-- Calls whose provider reported a usage that cannot be true (AiBackend.Core/Providers/Wire/TokenUsage). What cannot be believed is not booked.
ALTER TABLE provider_calls ADD COLUMN usage_disputed boolean NOT NULL DEFAULT false;
ALTER TABLE usage_days ADD COLUMN disputed_calls bigint NOT NULL DEFAULT 0;
