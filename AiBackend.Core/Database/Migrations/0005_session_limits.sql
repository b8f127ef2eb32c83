-- A session that began a transaction and went away keeps its locks and holds back the vacuum of every table. Our own sessions have
-- a shorter limit of their own; this is for everybody else's in this database, for example a psql that somebody forgot.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET idle_in_transaction_session_timeout = %L', current_database(), '1min');
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'The owner of the database should run: ALTER DATABASE % SET idle_in_transaction_session_timeout = ''1min''', current_database();
END
$$;
