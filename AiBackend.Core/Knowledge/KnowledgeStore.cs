using System.Text;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using AiBackend.Core.Faults;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Knowledge;

/// <summary>Documents of tenants, cut into passages (0041b_knowledge.sql).</summary>
public sealed class KnowledgeStore(NpgsqlDataSource database, IOptions<KnowledgeOptions> options)
{
    private const string Columns = "id, collection, source, version, title, language, readers, bytes, chunks, updated_at";

    // Chunks carry the version, so that the new ones can stand beside the old ones until the statement ends. What says the same as before keeps its
    // vector: nobody pays for it again.
    private const string PutSql = $"""
        WITH put AS (
            INSERT INTO knowledge_documents AS d (id, tenant_id, collection, source, title, language, readers, bytes, chunks, updated_at)
            SELECT @id, @tenant_id, @collection, @source, @title, @language, @readers, @bytes, cardinality(@texts), @updated_at
              FROM tenants t
             WHERE t.id = @tenant_id AND t.deletion_at IS NULL
               AND (EXISTS (SELECT 1 FROM knowledge_documents o WHERE o.tenant_id = @tenant_id AND o.collection = @collection AND o.source = @source)
                    OR (SELECT count(*) FROM knowledge_documents o WHERE o.tenant_id = @tenant_id) < @most)
            ON CONFLICT (tenant_id, collection, source) DO UPDATE
               SET version = d.version + 1, title = excluded.title, language = excluded.language, readers = excluded.readers,
                   bytes = excluded.bytes, chunks = excluded.chunks, updated_at = excluded.updated_at, written_at = now()
             WHERE d.updated_at <= excluded.updated_at
            RETURNING {Columns}
        ), gone AS (
            DELETE FROM knowledge_chunks c USING put p WHERE c.document_id = p.id AND c.version < p.version
        ), added AS (
            INSERT INTO knowledge_chunks
                   (document_id, version, n, tenant_id, collection, readers, updated_at, text, terms, vector, vector_model, vector_for)
            SELECT p.id, p.version, t.n - 1, @tenant_id, p.collection, p.readers, p.updated_at, t.text,
                   setweight(to_tsvector(p.language::regconfig, p.title), 'A') || to_tsvector(p.language::regconfig, t.text),
                   o.vector, o.vector_model, o.vector_for
              FROM put p CROSS JOIN unnest(@texts) WITH ORDINALITY AS t (text, n)
              LEFT JOIN (SELECT DISTINCT ON (c.text) c.text, c.vector, c.vector_model, c.vector_for
                           FROM knowledge_chunks c JOIN put p ON c.document_id = p.id AND c.version < p.version
                          ORDER BY c.text, c.vector_for NULLS LAST) o ON o.text = t.text
        )
        SELECT {Columns} FROM put
        """;

    private const string FindSql = $"""
        SELECT {Columns} FROM knowledge_documents WHERE tenant_id = @tenant_id AND collection = @collection AND source = @source
        """;

    private const string ListSql = $"""
        SELECT {Columns} FROM knowledge_documents
         WHERE tenant_id = @tenant_id AND collection = @collection AND (@after IS NULL OR id < @after) ORDER BY id DESC LIMIT @limit
        """;

    private const string DeleteSql = """
        DELETE FROM knowledge_documents WHERE tenant_id = @tenant_id AND collection = @collection AND source = @source RETURNING id
        """;

    // Any word may match: a question seldom has only words of its answer. Which passages have more of them, the rank says.
    private const string SearchSql = """
        SELECT document_id, source, title, updated_at, n, passage, score
          FROM search_knowledge(@tenant_id, @collection, @language, @query, @readers, @max_age, @limit)
        """;

    /// <summary>Puts a text in place of what its source had before. One statement: nobody finds half of it.</summary>
    /// <param name="tenantId">Whose it is.</param>
    /// <param name="collection">Where it belongs.</param>
    /// <param name="request">The text, checked.</param>
    /// <param name="now">The time where the request names none.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The document as it is now, and whether it is this text: a newer one stays. Null when the tenant has as many as it may have.</returns>
    public async Task<(KnowledgeDocument Document, bool IsWritten)?> PutAsync(
        Guid tenantId,
        string collection,
        KnowledgeRequest request,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        await using (var batch = database.CreateAuditedFor([tenantId], PutSql, out var command))
        {
            command.Parameters.AddWithValue("tenant_id", tenantId);
            command.Parameters.AddWithValue("collection", collection);
            command.Parameters.AddWithValue("id", Guid.CreateVersion7(now));
            command.Parameters.AddWithValue("source", request.Source!);
            command.Parameters.AddWithValue("title", request.Title ?? request.Source!);
            command.Parameters.AddWithValue("language", request.Language ?? TextLanguages.Default);
            command.Parameters.AddWithValue(
                "readers",
                NpgsqlDbType.Array | NpgsqlDbType.Text,
                (object?)request.Readers?.ToArray() ?? DBNull.Value
            );
            command.Parameters.AddWithValue("bytes", Encoding.UTF8.GetByteCount(request.Text!));
            command.Parameters.AddWithValue("texts", TextPassages.Of(request.Text!).ToArray());
            command.Parameters.AddWithValue("updated_at", (request.UpdatedAt ?? now).ToUniversalTime());
            command.Parameters.AddWithValue("most", options.Value.MaxDocumentsPerTenant);
            var sent = batch.ExecuteReaderAsync(cancellationToken);
            FaultPoints.Hit(FaultPoint.K34);
            await using var reader = await sent;
            if (await reader.ReadAllAsync(Read, cancellationToken) is [var written])
            {
                return (written, true);
            }
        }

        return await FindAsync(tenantId, collection, request.Source!, cancellationToken) is { } newer ? (newer, false) : null;
    }

    /// <returns>Null when the collection has none of this source.</returns>
    public async Task<KnowledgeDocument?> FindAsync(Guid tenantId, string collection, string source, CancellationToken cancellationToken)
    {
        await using var command = For(tenantId, collection, FindSql);
        command.Parameters.AddWithValue("source", source);
        return (await command.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>Documents of a collection, newest first.</returns>
    public async Task<IReadOnlyList<KnowledgeDocument>> ListAsync(
        Guid tenantId,
        string collection,
        Guid? after,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var command = For(tenantId, collection, ListSql);
        command.Parameters.AddWithValue("after", NpgsqlDbType.Uuid, (object?)after ?? DBNull.Value);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <returns>Whether there was one.</returns>
    public async Task<bool> DeleteAsync(Guid tenantId, string collection, string source, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], DeleteSql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("collection", collection);
        command.Parameters.AddWithValue("source", source);
        return await batch.ExecuteScalarAsync(cancellationToken) is not null;
    }

    /// <returns>Passages that fit, best first.</returns>
    public async Task<IReadOnlyList<KnowledgePassage>> SearchAsync(
        Guid tenantId,
        string collection,
        KnowledgeQuery query,
        CancellationToken cancellationToken
    )
    {
        await using var command = For(tenantId, collection, SearchSql);
        command.Parameters.AddWithValue("query", query.Query!);
        command.Parameters.AddWithValue("language", query.Language ?? TextLanguages.Default);
        command.Parameters.AddWithValue("readers", query.Readers?.ToArray() ?? []);
        command.Parameters.AddWithValue(
            "max_age",
            NpgsqlDbType.Interval,
            query.MaxAgeSeconds is { } age ? TimeSpan.FromSeconds(age) : DBNull.Value
        );
        command.Parameters.AddWithValue("limit", query.Limit ?? DefaultLimit);
        return await command.ReadAllAsync(ReadPassage, cancellationToken);
    }

    /// <summary>Passages of a search that does not say.</summary>
    public const int DefaultLimit = 5;

    private NpgsqlCommand For(Guid tenantId, string collection, string sql)
    {
#pragma warning disable CA2100 // Constants of this class.
        var command = database.CreateCommandFor(tenantId, sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("collection", collection);
        return command;
    }

    private static KnowledgeDocument Read(NpgsqlDataReader row) =>
        new()
        {
            Id = row.GetGuid(0),
            Collection = row.GetString(1),
            Source = row.GetString(2),
            Version = row.GetInt32(3),
            Title = row.GetString(4),
            Language = row.GetString(5),
            Readers = row.IsDBNull(6) ? null : row.GetFieldValue<string[]>(6),
            Bytes = row.GetInt32(7),
            Chunks = row.GetInt32(8),
            UpdatedAt = row.GetFieldValue<DateTimeOffset>(9),
        };

    internal static KnowledgePassage ReadPassage(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetString(1),
            row.GetString(2),
            row.GetFieldValue<DateTimeOffset>(3),
            row.GetInt32(4),
            row.GetString(5),
            row.GetDouble(6)
        );
}
