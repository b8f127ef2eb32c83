-- Those of an attempt's output tokens that the model thought; a few days or weeks of null in attempts of before.
ALTER TABLE job_attempts ADD COLUMN reasoning_tokens bigint;
