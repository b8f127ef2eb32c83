-- How much the leader gives to interactive work that waits too long (AiBackend.Core/Queue/Allocation): of the jobs that leave their model
-- to us, the share that gets the usual one, for every worker; and of the slots, the share that batch may hold, for people.
ALTER TABLE line_outlook
    ADD COLUMN usual_share double precision NOT NULL DEFAULT 1,
    ADD COLUMN batch_share double precision NOT NULL DEFAULT 1;
