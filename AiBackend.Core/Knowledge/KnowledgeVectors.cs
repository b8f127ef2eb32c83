using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Knowledge;

/// <summary>A passage that is to be turned into a vector.</summary>
/// <param name="DocumentId">Its document.</param>
/// <param name="Version">Of the document.</param>
/// <param name="N">Its place in it.</param>
/// <param name="Text">What it says.</param>
public sealed record PlainPassage(Guid DocumentId, int Version, int N, string Text);

/// <summary>Vectors of passages, which stand with them (0078_knowledge_vectors.sql): they go when the passage goes, and whoever may not find it compares none.</summary>
public sealed class KnowledgeVectors(NpgsqlDataSource database, [FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds)
{
    // Two puts at once may leave passages of a version that is none any more. Asked of each passage: a join would be planned for the handful of
    // documents that Postgres expects behind the wall, and read all of them for each passage.
    private const string IsCurrent = "c.version = (SELECT d.version FROM knowledge_documents d WHERE d.id = c.document_id)";

    // Nothing, a smaller name, a larger one: each a range of the index, and asked for by itself, because a plan for all models has no other use for it.
    private const string TenantsSql = $"""
        SELECT t.id
          FROM tenants t
         CROSS JOIN LATERAL (
               (SELECT 1 FROM knowledge_chunks c WHERE c.tenant_id = t.id AND c.vector_for IS NULL AND {IsCurrent} LIMIT 1)
               UNION ALL (SELECT 1 FROM knowledge_chunks c WHERE c.tenant_id = t.id AND c.vector_for < @model AND {IsCurrent} LIMIT 1)
               UNION ALL (SELECT 1 FROM knowledge_chunks c WHERE c.tenant_id = t.id AND c.vector_for > @model AND {IsCurrent} LIMIT 1)
               LIMIT 1) pending
         WHERE t.deletion_at IS NULL AND t.id <> ALL (@without) LIMIT @most
        """;

    private const string PendingOfTenant =
        $"SELECT c.document_id, c.version, c.n, c.text FROM knowledge_chunks c WHERE c.tenant_id = @tenant_id AND {IsCurrent}";

    private const string PendingSql = $"""
        ({PendingOfTenant} AND c.vector_for IS NULL LIMIT @most)
        UNION ALL ({PendingOfTenant} AND c.vector_for < @model LIMIT @most)
        UNION ALL ({PendingOfTenant} AND c.vector_for > @model LIMIT @most)
        LIMIT @most
        """;

    // A passage that is gone has no row any more; one that somebody else was quicker with keeps what it has. Whoever is about to put or delete a document
    // locks its passages in an order of his own: he is not waited for, and what he leaves is asked for again.
    private const string StoreSql = """
        UPDATE knowledge_chunks SET vector = @vector, vector_model = @made_by, vector_for = @model
         WHERE (document_id, version, n) IN (
               SELECT c.document_id, c.version, c.n FROM knowledge_chunks c
                WHERE c.document_id = @document_id AND c.version = @version AND c.n = @n AND c.tenant_id = @tenant_id
                  AND c.vector_for IS DISTINCT FROM @model FOR UPDATE SKIP LOCKED)
        """;

    private const string AnySql = """
        SELECT EXISTS (SELECT 1 FROM knowledge_chunks
                        WHERE tenant_id = @tenant_id AND vector_for = @model AND vector IS NOT NULL AND collection = @collection)
        """;

    // As search_knowledge says it.
    private const string MayBeFound = """
        c.tenant_id = @tenant_id AND c.collection = @collection AND (c.readers IS NULL OR c.readers && @readers)
           AND (@max_age IS NULL OR c.updated_at >= now() - @max_age)
        """;

    // Along knowledge_chunks_newest until there are enough.
    private const string CompareSql = $"""
        CALL read_in_order();
        SELECT c.document_id, c.version, c.n, c.vector FROM knowledge_chunks c
         WHERE {MayBeFound} AND c.vector IS NOT NULL AND c.vector_model = @made_by AND {IsCurrent}
         ORDER BY c.updated_at DESC, c.document_id, c.n LIMIT @most
        """;

    // Asked again: a document that was replaced or closed to these readers meanwhile is not found.
    private const string ReadSql = $"""
        SELECT c.document_id, d.source, d.title, c.updated_at, c.n, c.text, 0::float8
          FROM unnest(@ids, @versions, @ns) WITH ORDINALITY AS found (id, version, n, place)
          JOIN knowledge_chunks c ON c.document_id = found.id AND c.version = found.version AND c.n = found.n
          JOIN knowledge_documents d ON d.id = c.document_id AND d.version = c.version
         WHERE {MayBeFound} ORDER BY found.place
        """;

    /// <returns>Tenants with passages that this model has not seen.</returns>
    public async Task<IReadOnlyList<Guid>> FindTenantsAsync(string model, Guid[] without, int most, CancellationToken cancellationToken)
    {
        await using var command = rounds.CreateCommand(TenantsSql);
        command.Parameters.AddWithValue("model", model);
        command.Parameters.AddWithValue("without", without);
        command.Parameters.AddWithValue("most", most);
        return await command.ReadAllAsync(row => row.GetGuid(0), cancellationToken);
    }

    /// <returns>Passages of a tenant that this model has not seen.</returns>
    public async Task<IReadOnlyList<PlainPassage>> ReadPendingAsync(
        Guid tenantId,
        string model,
        int most,
        CancellationToken cancellationToken
    )
    {
        await using var command = rounds.CreateCommandFor(tenantId, PendingSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("model", model);
        command.Parameters.AddWithValue("most", most);
        return await command.ReadAllAsync(
            row => new PlainPassage(row.GetGuid(0), row.GetInt32(1), row.GetInt32(2), row.GetString(3)),
            cancellationToken
        );
    }

    /// <summary>Keeps the vectors of passages, all or none.</summary>
    /// <param name="tenantId">Whose they are.</param>
    /// <param name="model">The model that was to be asked.</param>
    /// <param name="passages">The passages.</param>
    /// <param name="made">Their vectors; null when the model does not take them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task StoreAsync(
        Guid tenantId,
        string model,
        IReadOnlyList<PlainPassage> passages,
        VectorsMade.Made? made,
        CancellationToken cancellationToken
    )
    {
        await using var batch = database.CreateBatch();
        batch.ActFor([tenantId]);
        for (var i = 0; i < passages.Count; i++)
        {
            var command = new NpgsqlBatchCommand(StoreSql);
            command.Parameters.AddWithValue("tenant_id", tenantId);
            command.Parameters.AddWithValue("model", model);
            command.Parameters.AddWithValue("document_id", passages[i].DocumentId);
            command.Parameters.AddWithValue("version", passages[i].Version);
            command.Parameters.AddWithValue("n", passages[i].N);
            command.Parameters.AddWithValue("vector", NpgsqlDbType.Array | NpgsqlDbType.Real, (object?)made?.Vectors[i] ?? DBNull.Value);
            command.Parameters.AddWithValue("made_by", NpgsqlDbType.Text, (object?)made?.Model ?? DBNull.Value);
            batch.BatchCommands.Add(command);
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <returns>Whether there is anything in a collection that a question could be compared with.</returns>
    internal async Task<bool> AnyAsync(Guid tenantId, string collection, string model, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, AnySql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("collection", collection);
        command.Parameters.AddWithValue("model", model);
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Looks through the passages that may be found, the newest <paramref name="most"/> of them, and keeps the closest.</summary>
    /// <returns>The passages, the closest first, and how many were compared.</returns>
    internal async Task<(IReadOnlyList<KnowledgePassage> Closest, int Compared)> FindClosestAsync(
        Guid tenantId,
        string collection,
        KnowledgeQuery query,
        VectorsMade.Made question,
        ClosestPassages closest,
        int most,
        CancellationToken cancellationToken
    )
    {
        await using (var command = For(tenantId, collection, query, CompareSql))
        {
            command.Parameters.AddWithValue("made_by", question.Model);
            command.Parameters.AddWithValue("most", most);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                closest.Add(PlaceOf(reader), VectorOf(reader), question.Vectors[0]);
            }
        }

        var places = closest.InOrder();
        await using var read = For(tenantId, collection, query, ReadSql);
        read.Parameters.AddWithValue("ids", places.Select(place => place.DocumentId).ToArray());
        read.Parameters.AddWithValue("versions", places.Select(place => place.Version).ToArray());
        read.Parameters.AddWithValue("ns", places.Select(place => place.N).ToArray());
        return (await read.ReadAllAsync(KnowledgeStore.ReadPassage, cancellationToken), closest.Compared);
    }

    private static PassagePlace PlaceOf(NpgsqlDataReader row) => new(row.GetGuid(0), row.GetInt32(1), row.GetInt32(2));

    private static float[] VectorOf(NpgsqlDataReader row) => row.GetFieldValue<float[]>(3);

    private NpgsqlCommand For(Guid tenantId, string collection, KnowledgeQuery query, string sql)
    {
        var command = database.CreateCommandFor(tenantId, sql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("collection", collection);
        command.Parameters.AddWithValue("readers", query.Readers?.ToArray() ?? []);
        command.Parameters.AddWithValue(
            "max_age",
            NpgsqlDbType.Interval,
            query.MaxAgeSeconds is { } age ? TimeSpan.FromSeconds(age) : DBNull.Value
        );
        return command;
    }
}
