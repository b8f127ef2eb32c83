-- What no program has to do itself is taken from the roles that 0029_tenant_wall.sql made.

-- Sign-in, keys and set-up ask as the operator's role; a statement of a tenant has no business with them.
REVOKE ALL ON users, sessions, setup_token, provider_credentials FROM aibackend_api;

-- The audit log's functions write as the owner: triggers need no right to them, and who calls them by hand could forge rows.
REVOKE EXECUTE ON FUNCTION audit_append(uuid, text, text, text, text, jsonb, jsonb, text, text), audit_change(), jobs_ahead(text, smallint, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_append(uuid, text, text, text, text, jsonb, jsonb, text, text) TO aibackend_operator;
GRANT EXECUTE ON FUNCTION jobs_ahead(text, smallint, uuid) TO aibackend_api, aibackend_operator, aibackend_worker;
