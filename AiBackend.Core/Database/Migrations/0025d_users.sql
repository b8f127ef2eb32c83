-- People who sign in, and their sessions (AiBackend.Core/Tenancy/Users). Expand only.

CREATE TABLE users (
    id                  uuid        PRIMARY KEY,
    organisation_id     uuid        NOT NULL REFERENCES organisations (id),
    email               text        NOT NULL UNIQUE,    -- lower case
    name                text        NOT NULL,
    role                smallint    NOT NULL,           -- UserRole
    password            text        NOT NULL,           -- salted hash, with the way it was made
    password_set_at     timestamptz NOT NULL DEFAULT now(),
    created_by          text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    disabled_at         timestamptz,
    last_sign_in_at     timestamptz
);
CREATE INDEX users_by_organisation ON users (organisation_id);

CREATE TABLE sessions (
    hash        bytea       PRIMARY KEY,        -- HMAC of the token, whose pepper is outside the database
    user_id     uuid        NOT NULL REFERENCES users (id),
    tenant_id   uuid        NOT NULL,           -- the project that the user works in
    created_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL DEFAULT now(),     -- to within some minutes
    address     text
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_age ON sessions (created_at);

-- Who may make the first user: a token that was told to whoever reads the log. None when there are users.
CREATE TABLE setup_token (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    hash        bytea       NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT now()
);

CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE OR UPDATE OF organisation_id, email, name, role, password, password_set_at, disabled_at ON users
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('user', '{email}', '{password,last_sign_in_at}');
CREATE CONSTRAINT TRIGGER audit AFTER INSERT OR DELETE ON sessions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('session', '{user_id}', '{hash,seen_at}', 'asked');

-- Where the wall between tenants is up already; else 0029_tenant_wall.sql puts it around this table with the others.
DO $$
BEGIN
    IF to_regprocedure('raise_tenant_wall(regclass)') IS NOT NULL THEN
        PERFORM raise_tenant_wall('sessions');
    END IF;
END $$;
