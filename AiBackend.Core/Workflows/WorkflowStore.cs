using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs.Versions;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Workflows;

/// <summary>Workflows of tenants. A version never changes; a change is the next version.</summary>
public sealed class WorkflowStore(NpgsqlDataSource database)
{
    private const string Columns = "name, version, definition, created_at, created_by";

    // The key decides between two that add the same version.
    private const string AddSql = $"""
        INSERT INTO workflows (tenant_id, name, version, definition, created_by)
        SELECT @tenant_id, @name, coalesce((SELECT max(version) FROM workflows w WHERE w.tenant_id = @tenant_id AND w.name = @name), 0) + 1, @definition, @by
          FROM tenants t WHERE t.id = @tenant_id AND t.deletion_at IS NULL
        RETURNING {Columns}
        """;

    private const string FindSql = $"""
        SELECT {Columns} FROM workflows
         WHERE tenant_id = @tenant_id AND name = @name AND (@version IS NULL OR version = @version) ORDER BY version DESC LIMIT 1
        """;

    private const string ListSql = $"""
        SELECT DISTINCT ON (name) {Columns} FROM workflows WHERE tenant_id = @tenant_id ORDER BY name, version DESC LIMIT 1000
        """;

    private const string DeleteSql = "DELETE FROM workflows WHERE tenant_id = @tenant_id AND name = @name RETURNING version";

    /// <summary>Adds a version.</summary>
    /// <exception cref="PostgresException">Unique violation: another one was added at the same moment.</exception>
    public async Task<Workflow> AddAsync(
        Guid tenantId,
        string name,
        WorkflowDefinition definition,
        string by,
        CancellationToken cancellationToken
    )
    {
        await using var batch = database.CreateAuditedFor([tenantId], AddSql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", name);
        command.Parameters.AddWithValue("definition", JsonSerializer.Serialize(definition, WireJson.Default.WorkflowDefinition));
        command.Parameters.AddWithValue("by", by);
        return (await batch.ReadAllAsync(Read, cancellationToken)).Single();
    }

    /// <returns>A version, the newest when none is named; null when there is none.</returns>
    public async Task<Workflow?> FindAsync(Guid tenantId, string name, int? version, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, FindSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", name);
        command.Parameters.AddWithValue("version", NpgsqlDbType.Integer, (object?)version ?? DBNull.Value);
        return (await command.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>The newest version of each, by name.</returns>
    public async Task<IReadOnlyList<Workflow>> ListAsync(Guid tenantId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <summary>Deletes every version. Runs that have begun go on: each has its definition with it.</summary>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> DeleteAsync(Guid tenantId, string name, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], DeleteSql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", name);
        return (await batch.ReadAllAsync(row => row.GetInt32(0), cancellationToken)).Count > 0;
    }

    private static Workflow Read(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            row.GetInt32(1),
            JsonSerializer.Deserialize(row.GetString(2), StoredJson.Lenient.WorkflowDefinition)!,
            row.GetFieldValue<DateTimeOffset>(3),
            row.IsDBNull(4) ? null : row.GetString(4)
        );
}
