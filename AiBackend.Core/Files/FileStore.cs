using System.Runtime.CompilerServices;
using AiBackend.Core.Database;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Files;

/// <summary>Files of tenants, in Postgres, in pieces, which equal ones share (0035c_files.sql, 0055_file_contents.sql).</summary>
public sealed partial class FileStore(NpgsqlDataSource database, IOptions<FilesOptions> options)
{
    /// <summary>Length of every piece but the last.</summary>
    public const int ChunkBytes = 256 * 1024;

    private const string Columns =
        "id, tenant_id, purpose, name, bytes, created_at, expires_at, media_type, sha256, coalesce(content_id, id)";

    private const string BeginSql = $"""
        INSERT INTO files (id, tenant_id, purpose, name, expires_at)
        SELECT @id, @tenant_id, @purpose, @name, now() + @kept_for FROM tenants t WHERE t.id = @tenant_id AND t.deletion_at IS NULL
        RETURNING {Columns}
        """;

    // A repeat after a lost reply finds its piece there and takes no room again.
    private const string AppendSql = """
        WITH writing AS (
            SELECT id FROM files WHERE id = @id AND tenant_id = @tenant_id AND ready_at IS NULL FOR UPDATE
        ), room AS (
            INSERT INTO file_usage AS u (tenant_id, bytes)
            SELECT @tenant_id, @length FROM writing WHERE NOT EXISTS (SELECT 1 FROM file_chunks c WHERE c.file_id = @id AND c.n = @n)
            ON CONFLICT (tenant_id) DO UPDATE SET bytes = u.bytes + excluded.bytes WHERE u.bytes + excluded.bytes <= @most
            RETURNING 1
        ), grown AS (
            UPDATE files f SET bytes = f.bytes + @length FROM room WHERE f.id = @id AND f.tenant_id = @tenant_id RETURNING f.id
        ), written AS (
            INSERT INTO file_chunks (file_id, n, tenant_id, content) SELECT id, @n, @tenant_id, @content FROM grown RETURNING 1
        )
        SELECT 1 FROM written UNION ALL SELECT 1 FROM file_chunks c WHERE c.file_id = @id AND c.tenant_id = @tenant_id AND c.n = @n
        """;

    // Whose pieces are those of an equal file of the tenant.
    private const string SameSql = $"""
        SELECT coalesce(o.content_id, o.id) AS content FROM files o
         WHERE o.tenant_id = @tenant_id AND o.sha256 = @sha256 AND o.ready_at IS NOT NULL AND o.purpose <> '{FilePurposes.Artifact}'
         ORDER BY o.id LIMIT 1
        """;

    // Of what the tenant has already the pieces are dropped, and those of before are shared. Locks as in DeleteSql, so that they are still there.
    private const string FinishSql = $"""
        UPDATE files SET bytes = bytes WHERE id = @id AND tenant_id = @tenant_id AND ready_at IS NULL;
        UPDATE file_usage SET bytes = bytes WHERE tenant_id = @tenant_id;
        WITH same AS ({SameSql}), finished AS (
            UPDATE files SET ready_at = now(), purpose = @purpose, name = @name, expires_at = created_at + @kept_for,
                             media_type = @media_type, sha256 = @sha256, content_id = (SELECT content FROM same)
             WHERE id = @id AND tenant_id = @tenant_id AND ready_at IS NULL
            RETURNING {Columns}
        ), freed AS (
            UPDATE file_usage u SET bytes = u.bytes - f.bytes FROM finished f, same WHERE u.tenant_id = @tenant_id
        ), dropped AS (
            DELETE FROM file_chunks c USING finished f, same WHERE c.file_id = f.id AND c.tenant_id = @tenant_id
        )
        SELECT * FROM finished
        """;

    private const string FindSql = $"""
        SELECT {Columns} FROM files
         WHERE id = @id AND tenant_id = @tenant_id AND ready_at IS NOT NULL AND (@even_expired OR expires_at > now())
        """;

    private const string ListSql = $"""
        SELECT {Columns} FROM files
         WHERE tenant_id = @tenant_id AND ready_at IS NOT NULL AND expires_at > now() AND (@purpose IS NULL OR purpose = @purpose)
           AND (@after IS NULL OR CASE WHEN @ascending THEN id > @after ELSE id < @after END)
         ORDER BY CASE WHEN @ascending THEN id END, CASE WHEN NOT @ascending THEN id END DESC
         LIMIT @limit
        """;

    private const string ReadSql = "SELECT content FROM file_chunks WHERE file_id = @id AND tenant_id = @tenant_id AND n = @n";

    /// <summary>Begins a file that nobody sees until it is finished.</summary>
    /// <returns>Null when its tenant is being deleted.</returns>
    public async Task<StoredFile?> BeginAsync(Guid id, Guid tenantId, string purpose, string name, CancellationToken cancellationToken)
    {
        await using var command = For(tenantId, id, BeginSql);
        Describe(command, purpose, name, options.Value.KeptFor);
        return (await command.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <summary>Writes the next piece of a file that is not finished.</summary>
    /// <param name="file">Which.</param>
    /// <param name="n">The number of the piece, from 0.</param>
    /// <param name="content">The piece; all but the last have <see cref="ChunkBytes"/>.</param>
    /// <param name="isBounded">Whether it may only take what room the tenant has left.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>False when the tenant's files would take more than they may, or the file is gone.</returns>
    public async Task<bool> AppendAsync(
        StoredFile file,
        int n,
        ReadOnlyMemory<byte> content,
        bool isBounded,
        CancellationToken cancellationToken
    )
    {
        await using var command = For(file.TenantId, file.Id, AppendSql);
        command.Parameters.AddWithValue("n", n);
        command.Parameters.AddWithValue("length", (long)content.Length);
        command.Parameters.AddWithValue("content", NpgsqlDbType.Bytea, content);
        command.Parameters.AddWithValue("most", isBounded ? options.Value.MaxBytesPerTenant : long.MaxValue);
        return await command.ExecuteScalarAsync(cancellationToken) is not null;
    }

    /// <returns>The file, which everybody of the tenant sees now; null when it is gone or was finished before.</returns>
    public async Task<StoredFile?> FinishAsync(
        StoredFile file,
        string purpose,
        string name,
        FileContent content,
        TimeSpan? keptFor,
        CancellationToken cancellationToken
    )
    {
        await using var command = For(file.TenantId, file.Id, FinishSql);
        Describe(command, purpose, name, keptFor ?? options.Value.KeptFor, content);
        return (await command.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <summary>The same within a transaction that acts for the file's tenant.</summary>
    public async Task<StoredFile?> FinishAsync(
        NpgsqlConnection transaction,
        StoredFile file,
        string purpose,
        string name,
        FileContent content,
        TimeSpan? keptFor
    )
    {
        await using var command = new NpgsqlCommand(FinishSql, transaction);
        AddKey(command, file.TenantId, file.Id);
        Describe(command, purpose, name, keptFor ?? options.Value.KeptFor, content);
        return (await command.ReadAllAsync(Read, CancellationToken.None)).SingleOrDefault();
    }

    /// <param name="tenantId">Whose.</param>
    /// <param name="id">Which.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="evenExpired">For a batch, which keeps it until its end.</param>
    /// <returns>Null when the tenant has no such file.</returns>
    public async Task<StoredFile?> FindAsync(Guid tenantId, Guid id, CancellationToken cancellationToken, bool evenExpired = false)
    {
        await using var command = For(tenantId, id, FindSql);
        command.Parameters.AddWithValue("even_expired", evenExpired);
        return (await command.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <summary>A page of a tenant's files.</summary>
    public async Task<IReadOnlyList<StoredFile>> ListAsync(
        Guid tenantId,
        string? purpose,
        ListPage page,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("purpose", NpgsqlDbType.Text, (object?)purpose ?? DBNull.Value);
        command.Parameters.AddWithValue("after", NpgsqlDbType.Uuid, (object?)page.After ?? DBNull.Value);
        command.Parameters.AddWithValue("ascending", page.Ascending);
        command.Parameters.AddWithValue("limit", page.Limit);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <summary>The pieces of a file in order, from one on.</summary>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(
        StoredFile file,
        int from,
        [EnumeratorCancellation] CancellationToken cancellationToken
    )
    {
        for (var n = from; (long)n * ChunkBytes < file.Bytes; n++)
        {
            await using var command = For(file.TenantId, file.ContentId, ReadSql);
            command.Parameters.AddWithValue("n", n);
            yield return await command.ExecuteScalarAsync(cancellationToken) is byte[] content
                ? content
                // Whoever reads has been told how much comes.
                : throw new IOException($"File {file.Id} was deleted while it was read.");
        }
    }

    private static void Describe(NpgsqlCommand command, string purpose, string name, TimeSpan keptFor, FileContent? content = null)
    {
        command.Parameters.AddWithValue("purpose", purpose);
        command.Parameters.AddWithValue("name", name);
        command.Parameters.AddWithValue("kept_for", NpgsqlDbType.Interval, keptFor);
        if (content is not null)
        {
            command.Parameters.AddWithValue("media_type", content.MediaType);
            command.Parameters.AddWithValue("sha256", NpgsqlDbType.Bytea, content.Sha256);
        }
    }

    private NpgsqlCommand For(Guid tenantId, Guid id, string sql)
    {
        var command = database.CreateCommandFor(tenantId, sql);
        AddKey(command, tenantId, id);
        return command;
    }

    private static void AddKey(NpgsqlCommand command, Guid tenantId, Guid id)
    {
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("tenant_id", tenantId);
    }

    private static StoredFile Read(NpgsqlDataReader row) =>
        new(
            row.GetGuid(0),
            row.GetGuid(1),
            row.GetString(2),
            row.GetString(3),
            row.GetInt64(4),
            row.GetFieldValue<DateTimeOffset>(5),
            row.GetFieldValue<DateTimeOffset>(6)
        )
        {
            MediaType = row.GetString(7),
            Sha256 = row.IsDBNull(8) ? null : row.GetFieldValue<byte[]>(8),
            ContentId = row.GetGuid(9),
        };
}
