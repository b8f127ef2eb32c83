-- What answers rest on is changed by people and programs: who did it can be asked.
CREATE CONSTRAINT TRIGGER documents_are_audited AFTER INSERT OR UPDATE OR DELETE ON knowledge_documents
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_change('document', '{collection,source}', '{title,written_at}');
