-- When a deployment that workers found down was last asked by one of them, to see whether it is well, and when it last answered such a call:
-- shared by all workers (AiBackend.Core/Admission/ProbeTurns). Nothing is written while all is well.
CREATE TABLE provider_probes (
    provider     text        NOT NULL,
    model        text        NOT NULL,
    probed_at    timestamptz NOT NULL DEFAULT '-infinity',
    answered_at  timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (provider, model)
);

-- Leave for one such call: 0. Or the milliseconds until the next one may be made. Or -1: it has answered another worker since the caller's
-- breaker opened, p_open_ms ago, so that nobody needs to find out. A provider that has answered for none of its models lately is asked once in
-- p_every_ms for all of them together; else each model has turns of its own, so that the way back does not take longer the more models it has.
CREATE FUNCTION take_probe(p_provider text, p_model text, p_open_ms bigint, p_every_ms bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    next_at timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('provider_probes/' || p_provider, 0));
    IF EXISTS (SELECT FROM provider_probes p
                WHERE p.provider = p_provider AND p.model = p_model
                  AND p.answered_at > clock_timestamp() - p_open_ms * interval '1 millisecond') THEN
        RETURN -1;
    END IF;
    SELECT max(p.probed_at) + p_every_ms * interval '1 millisecond' INTO next_at
      FROM provider_probes p
     WHERE p.provider = p_provider
       AND (p.model = p_model
            OR NOT EXISTS (SELECT FROM provider_probes w
                            WHERE w.provider = p_provider AND w.answered_at > clock_timestamp() - interval '30 seconds'));
    IF next_at > clock_timestamp() THEN
        RETURN ceil(extract(epoch FROM next_at - clock_timestamp()) * 1000);
    END IF;
    -- Callers can make up names of a simulator's models.
    DELETE FROM provider_probes p
     WHERE p.provider = p_provider AND greatest(p.probed_at, p.answered_at) < clock_timestamp() - interval '1 day';
    INSERT INTO provider_probes (provider, model, probed_at) VALUES (p_provider, p_model, clock_timestamp())
    ON CONFLICT (provider, model) DO UPDATE SET probed_at = excluded.probed_at;
    RETURN 0;
END $$;
