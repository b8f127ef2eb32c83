using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Tools;

/// <summary>One version of a tool as it is stored.</summary>
/// <param name="Name">The tool.</param>
/// <param name="Version">From 1.</param>
/// <param name="Definition">Null takes the tool away.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="CreatedBy">By whom.</param>
public sealed record ToolVersion(string Name, int Version, ToolDefinition? Definition, DateTimeOffset CreatedAt, string CreatedBy);

/// <summary>Registered tools of tenants. Every change is a new row; the newest one counts.</summary>
public sealed class ToolStore(NpgsqlDataSource database)
{
    /// <summary>How many a tenant may have.</summary>
    public const int MostOfTenant = 200;

    private const string Columns = "name, version, definition, secret, created_at, created_by";

    // Two changes at the same time make the same version, and the key refuses one of them. A header's value stays until another is given.
    private const string AddSql = $"""
        WITH latest AS (
            SELECT version, definition, secret FROM tools WHERE tenant_id = @tenant_id AND name = @name ORDER BY version DESC LIMIT 1
        )
        INSERT INTO tools (tenant_id, name, version, definition, secret, created_by)
        SELECT @tenant_id, @name, coalesce((SELECT version FROM latest), 0) + 1, @definition,
               CASE WHEN @keeps_secret THEN (SELECT secret FROM latest) ELSE @secret END, @created_by
         WHERE (@expected IS NULL OR coalesce((SELECT version FROM latest), 0) = @expected)
           AND (@definition IS NOT NULL OR (SELECT definition FROM latest) IS NOT NULL)
           AND (@definition IS NULL OR (SELECT count(DISTINCT name) FROM tools WHERE tenant_id = @tenant_id AND name <> @name) < @most)
        ON CONFLICT DO NOTHING
        RETURNING {Columns}
        """;

    private const string LatestSql = $"""
        SELECT * FROM (
            SELECT DISTINCT ON (name) {Columns} FROM tools
             WHERE tenant_id = @tenant_id AND (@names IS NULL OR name = ANY (@names)) ORDER BY name, version DESC
        ) latest WHERE definition IS NOT NULL ORDER BY name
        """;

    private const string VersionsSql = $"""
        SELECT {Columns} FROM tools WHERE tenant_id = @tenant_id AND name = @name ORDER BY version DESC LIMIT 100
        """;

    /// <summary>Adds a version.</summary>
    /// <param name="tenantId">Whose tool it is.</param>
    /// <param name="name">The tool.</param>
    /// <param name="definition">Null takes it away.</param>
    /// <param name="secret">Value of its header, sealed.</param>
    /// <param name="keepsSecret">Whether it is the one of the version before.</param>
    /// <param name="expected">The version that must be the latest; null for whichever it is.</param>
    /// <param name="createdBy">Who makes it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when another version is the latest, there is nothing to take away, or the tenant has too many.</returns>
    public async Task<ToolVersion?> AddAsync(
        Guid tenantId,
        string name,
        ToolDefinition? definition,
        byte[]? secret,
        bool keepsSecret,
        int? expected,
        string createdBy,
        CancellationToken cancellationToken
    )
    {
        await using var batch = database.CreateAuditedFor([tenantId], AddSql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", name);
        command.Parameters.Add(new NpgsqlParameter<string?>("definition", definition?.ToColumn()));
        command.Parameters.AddWithValue("secret", NpgsqlDbType.Bytea, (object?)secret ?? DBNull.Value);
        command.Parameters.AddWithValue("keeps_secret", keepsSecret);
        command.Parameters.Add(new NpgsqlParameter<int?>("expected", expected));
        command.Parameters.AddWithValue("created_by", createdBy);
        command.Parameters.AddWithValue("most", MostOfTenant);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>The latest version of each tool, by name.</returns>
    /// <param name="tenantId">Whose.</param>
    /// <param name="names">Which; null is all.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<ToolVersion>> LatestAsync(
        Guid tenantId,
        IReadOnlyCollection<string>? names,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, LatestSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("names", NpgsqlDbType.Array | NpgsqlDbType.Text, (object?)names?.ToArray() ?? DBNull.Value);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <returns>The versions of one tool, newest first, at most the 100 newest.</returns>
    public async Task<IReadOnlyList<ToolVersion>> VersionsAsync(Guid tenantId, string name, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, VersionsSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", name);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    internal static ToolVersion Read(NpgsqlDataReader row)
    {
        var (name, version) = (row.GetString(0), row.GetInt32(1));
        var (at, by) = (row.GetFieldValue<DateTimeOffset>(4), row.GetString(5));
        var definition = row.IsDBNull(2)
            ? null
            : ToolDefinition.Read(row.GetString(2)) with
            {
                Name = name,
                Version = version,
                Secret = row.IsDBNull(3) ? null : row.GetFieldValue<byte[]>(3),
                CreatedAt = at,
                CreatedBy = by,
            };
        return new ToolVersion(name, version, definition, at, by);
    }
}
