using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Files;

// Files that are known whole before anything of them is stored, and whose ids follow from them.
public sealed partial class FileStore
{
    // Locks in the order of whoever deletes files, so that an equal one is still there.
    private const string LockSql = """
        UPDATE files SET bytes = bytes WHERE id = @id AND tenant_id = @tenant_id;
        INSERT INTO file_usage AS u (tenant_id, bytes) VALUES (@tenant_id, 0) ON CONFLICT (tenant_id) DO UPDATE SET bytes = u.bytes
        """;

    // Sent again it is as new as then. Of one that has no pieces yet the content is its own.
    private const string KeepSql = $"""
        INSERT INTO files AS f (id, tenant_id, purpose, name, bytes, ready_at, expires_at, media_type, sha256, content_id)
        SELECT @id, @tenant_id, @purpose, @name, @length, now(), now() + @kept_for, @media_type, @sha256, ({SameSql})
          FROM tenants t WHERE t.id = @tenant_id AND t.deletion_at IS NULL
        ON CONFLICT (id) DO UPDATE SET created_at = now(), expires_at = greatest(f.expires_at, excluded.expires_at)
         WHERE f.tenant_id = excluded.tenant_id
        RETURNING f.xmax <> 0 OR f.content_id IS NOT NULL
        """;

    private const string TakeRoomSql = """
        UPDATE file_usage u SET bytes = u.bytes + @length WHERE u.tenant_id = @tenant_id AND u.bytes + @length <= @most
        """;

    private const string PieceSql = "INSERT INTO file_chunks (file_id, n, tenant_id, content) VALUES (@id, @n, @tenant_id, @content)";

    /// <summary>Stores a file of the purpose <see cref="FilePurposes.Attachment"/>, or keeps for longer the one that there is.</summary>
    /// <returns>False when the tenant's files would take more than they may; null when it is being deleted. Then nothing was stored.</returns>
    public Task<bool?> KeepAsync(
        Guid tenantId,
        Guid id,
        string name,
        FileContent content,
        ReadOnlyMemory<byte> bytes,
        CancellationToken cancellationToken
    ) => TransientRetry.RunAsync(token => KeepOnceAsync(tenantId, id, name, content, bytes, token), cancellationToken);

    private async Task<bool?> KeepOnceAsync(
        Guid tenantId,
        Guid id,
        string name,
        FileContent content,
        ReadOnlyMemory<byte> bytes,
        CancellationToken cancellationToken
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        // Until its end whoever sends the same waits, and then finds it.
        await using var transaction = await connection.BeginForAsync(tenantId, cancellationToken);
        await using (var locks = On(connection, tenantId, id, LockSql))
        {
            await locks.ExecuteNonQueryAsync(cancellationToken);
        }

        await using var keep = On(connection, tenantId, id, KeepSql);
        Describe(keep, FilePurposes.Attachment, name, options.Value.KeptFor, content);
        keep.Parameters.AddWithValue("length", (long)bytes.Length);
        var hasPieces = (bool?)await keep.ExecuteScalarAsync(cancellationToken);
        if (hasPieces is null || (hasPieces is false && !await WriteAsync(connection, tenantId, id, bytes, cancellationToken)))
        {
            return hasPieces;
        }

        await transaction.CommitAsync(cancellationToken);
        return true;
    }

    private async Task<bool> WriteAsync(
        NpgsqlConnection connection,
        Guid tenantId,
        Guid id,
        ReadOnlyMemory<byte> bytes,
        CancellationToken cancellationToken
    )
    {
        await using var room = On(connection, tenantId, id, TakeRoomSql);
        room.Parameters.AddWithValue("length", (long)bytes.Length);
        room.Parameters.AddWithValue("most", options.Value.MaxBytesPerTenant);
        if (await room.ExecuteNonQueryAsync(cancellationToken) == 0)
        {
            return false;
        }

        for (var n = 0; n * ChunkBytes < bytes.Length; n++)
        {
            await using var piece = On(connection, tenantId, id, PieceSql);
            piece.Parameters.AddWithValue("n", n);
            piece.Parameters.AddWithValue(
                "content",
                NpgsqlDbType.Bytea,
                bytes.Slice(n * ChunkBytes, Math.Min(ChunkBytes, bytes.Length - (n * ChunkBytes)))
            );
            await piece.ExecuteNonQueryAsync(cancellationToken);
        }

        return true;
    }

    private static NpgsqlCommand On(NpgsqlConnection connection, Guid tenantId, Guid id, string sql)
    {
#pragma warning disable CA2100 // Constants of this class.
        var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        AddKey(command, tenantId, id);
        return command;
    }
}
