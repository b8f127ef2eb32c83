using AiBackend.Core.Tenancy;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Knowledge;

/// <summary>Documents of one passage, as the Api would have stored them.</summary>
internal static class StoredPassage
{
    public static Task AddPassageAsync(this CoreHost core, string collection, string source, string text, string? reader = null) =>
        core.ExecuteAsync(
            $$"""
            WITH d AS (
                INSERT INTO knowledge_documents (id, tenant_id, collection, source, title, language, readers, bytes, chunks, updated_at)
                VALUES (gen_random_uuid(), '{{ApiKeyStore.DefaultTenant}}', '{{collection}}', '{{source}}', '{{source}}', 'english',
                        {{(reader is null ? "NULL" : $"'{{{reader}}}'")}}, 9, 1, now())
                RETURNING *)
            INSERT INTO knowledge_chunks (document_id, version, n, tenant_id, collection, readers, updated_at, text, terms)
            SELECT id, version, 0, tenant_id, collection, readers, updated_at, '{{text}}', to_tsvector('english', '{{text}}') FROM d
            """,
            Guid.Empty
        );
}
