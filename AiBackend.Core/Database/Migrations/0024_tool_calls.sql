-- Tools that a model asks for, and why its answer is over. Outputs with tool calls are of version 2: older workers must not share them as text.
ALTER TABLE job_outputs ADD COLUMN tool_calls text;      -- JSON array; null when there are none
ALTER TABLE job_outputs ADD COLUMN finish_reason text;   -- stop, length, tool_calls, content_filter, or the provider's own word

-- What the door that a job came through keeps with it; workers pass it over.
ALTER TABLE job_payloads ADD COLUMN details text;        -- JSON; null for the native API
