-- What keys have taken of their limits in the current minute (AiBackend.Core/Tenancy/Limits). Expand only.
CREATE TABLE key_windows (
    key_id      text        NOT NULL,
    kind        smallint    NOT NULL,   -- KeyLimitKind
    tenant_id   uuid        NOT NULL,
    window_at   timestamptz NOT NULL,   -- begin of the minute that taken is of
    taken       bigint      NOT NULL,   -- by all servers, used or not
    PRIMARY KEY (key_id, kind)
) WITH (fillfactor = 50);

-- Takes up to p_wanted of what is left of the minute, or nothing when less than p_least is left.
CREATE FUNCTION take_key_allowance(
    p_tenant uuid, p_key text, p_kind smallint, p_wanted bigint, p_least bigint, p_limit bigint,
    OUT granted bigint, OUT left_over bigint, OUT ends_in interval
) LANGUAGE plpgsql AS $$
DECLARE
    w key_windows;
    minute timestamptz;
    used bigint;
BEGIN
    INSERT INTO key_windows VALUES (p_key, p_kind, p_tenant, '-infinity', 0) ON CONFLICT (key_id, kind) DO NOTHING;
    SELECT * INTO w FROM key_windows WHERE key_id = p_key AND kind = p_kind FOR UPDATE;
    minute := date_trunc('minute', clock_timestamp(), 'UTC');
    used := CASE WHEN w.window_at = minute THEN w.taken ELSE 0 END;
    granted := least(p_wanted, greatest(0, p_limit - used));
    IF granted < p_least THEN
        granted := 0;
    END IF;
    UPDATE key_windows SET window_at = minute, taken = used + granted WHERE key_id = p_key AND kind = p_kind;
    left_over := greatest(0, p_limit - used - granted);
    ends_in := minute + interval '1 minute' - clock_timestamp();
END $$;
