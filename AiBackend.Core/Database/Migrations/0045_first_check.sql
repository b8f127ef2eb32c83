-- What was found about an attempt's first answer (a ContractCheck). Rows of before may quote U+0000 of an answer, which jsonb refuses: one of
-- them must not take a whole reading away. The letters of the escape may also follow an escaped backslash, where they are a text like any other.
CREATE FUNCTION first_check(checks text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT replace(checks, '\u0000', '\ufffd')::jsonb -> 0
$$;
