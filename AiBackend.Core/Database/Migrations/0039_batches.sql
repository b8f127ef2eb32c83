-- How many of a batch's lines stand where, beside the lines, so that nobody counts up to 50 000 of them to say so. Expand only: a trigger keeps the
-- numbers, also for programs of before.
ALTER TABLE batches
    ADD COLUMN submitted integer NOT NULL DEFAULT 0,    -- are jobs that have not ended
    ADD COLUMN answered  integer NOT NULL DEFAULT 0,
    ADD COLUMN missed    integer NOT NULL DEFAULT 0;    -- ended otherwise; the others wait

CREATE INDEX batches_of_tenant_open ON batches (tenant_id, input_file_id) WHERE ended_at IS NULL; -- how many there are, and which files they read
CREATE INDEX batches_ended ON batches (ended_at) WHERE ended_at IS NOT NULL; -- the pruner

CREATE FUNCTION count_batch_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE batches b
       SET submitted = b.submitted + c.submitted, answered = b.answered + c.answered, missed = b.missed + c.missed
      FROM (SELECT batch_id, coalesce(sum(n) FILTER (WHERE state = 1), 0) AS submitted, coalesce(sum(n) FILTER (WHERE state = 2), 0) AS answered,
                   coalesce(sum(n) FILTER (WHERE state > 2), 0) AS missed
              FROM (SELECT batch_id, state, 1 AS n FROM new_lines UNION ALL SELECT batch_id, state, -1 FROM old_lines) moved
             GROUP BY batch_id) c
     WHERE b.id = c.batch_id AND (c.submitted, c.answered, c.missed) <> (0, 0, 0);
    RETURN NULL;
END $$;
-- Before the numbers are made, because it holds up whoever would change lines meanwhile.
CREATE TRIGGER count_lines AFTER UPDATE ON batch_lines REFERENCING OLD TABLE AS old_lines NEW TABLE AS new_lines
    FOR EACH STATEMENT EXECUTE FUNCTION count_batch_lines();
UPDATE batches b SET submitted = c.submitted, answered = c.answered, missed = c.missed
  FROM (SELECT batch_id, count(*) FILTER (WHERE state = 1) AS submitted, count(*) FILTER (WHERE state = 2) AS answered,
               count(*) FILTER (WHERE state > 2) AS missed
          FROM batch_lines GROUP BY batch_id) c
 WHERE b.id = c.batch_id;
