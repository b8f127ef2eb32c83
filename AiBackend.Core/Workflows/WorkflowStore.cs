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
    /// <summary>Workflows of a tenant.</summary>
    public const int MostWorkflows = 1_000;

    /// <summary>Versions of a workflow.</summary>
    public const int MostVersions = 1_000;

    // Beyond it a number says no more than that there are many.
    private const int MostRuns = 1_000;

    private const string Columns = "name, version, definition, created_at, created_by";

    // The key decides between two that add the same version.
    private const int MostTurns = 10;

    private const string AddSql = $"""
        WITH newest AS (
            SELECT coalesce(max(version), 0) AS version FROM workflows w WHERE w.tenant_id = @tenant_id AND w.name = @name
        )
        INSERT INTO workflows (tenant_id, name, version, description, definition, created_by)
        SELECT @tenant_id, @name, n.version + 1, @description, @definition, @by
          FROM newest n, tenants t
         WHERE t.id = @tenant_id AND t.deletion_at IS NULL AND n.version < @most_versions
           AND (n.version > 0 OR (SELECT count(*) FROM workflows w WHERE w.tenant_id = @tenant_id AND w.version = 1) < @most)
        RETURNING {Columns}
        """;

    private const string FindSql = $"""
        SELECT {Columns} FROM workflows
         WHERE tenant_id = @tenant_id AND name = @name AND (@version IS NULL OR version = @version) ORDER BY version DESC LIMIT 1
        """;

    private const string StepsOf = "coalesce(json_array_length(definition::json -> 'steps'), 0)";

    private const string ListSql = $"""
        WITH page AS (
            SELECT DISTINCT ON (name) name, version, description, created_at, created_by, definition FROM workflows
             WHERE tenant_id = @tenant_id AND (@after IS NULL OR name > @after) ORDER BY name, version DESC LIMIT @limit
        )
        SELECT name, version, description, created_at, created_by, {StepsOf}, r.runs
          FROM page LEFT JOIN count_runs(@tenant_id, (SELECT array_agg(name) FROM page), @most) r ON r.workflow = name
         ORDER BY name
        """;

    private const string VersionsSql = $"""
        SELECT name, version, description, created_at, created_by, {StepsOf}, NULL::bigint FROM workflows
         WHERE tenant_id = @tenant_id AND name = @name AND (@before IS NULL OR version < @before) ORDER BY version DESC LIMIT @limit
        """;

    private const string DeleteSql = "DELETE FROM workflows WHERE tenant_id = @tenant_id AND name = @name RETURNING version";

    /// <summary>Adds a version.</summary>
    /// <returns>Null when the tenant has too many workflows, or the workflow too many versions.</returns>
    /// <exception cref="PostgresException">Unique violation: others were added at the same moment, again and again.</exception>
    public async Task<Workflow?> AddAsync(
        Guid tenantId,
        string name,
        WorkflowDefinition definition,
        string by,
        CancellationToken cancellationToken
    )
    {
        for (var turn = 1; ; turn++)
        {
            try
            {
                return await AddOnceAsync(tenantId, name, definition, by, cancellationToken);
            }
            catch (PostgresException other) when (other.SqlState == PostgresErrorCodes.UniqueViolation && turn < MostTurns)
            {
                // Another one has the number now: this one takes the next.
            }
        }
    }

    private async Task<Workflow?> AddOnceAsync(
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
        command.Parameters.AddWithValue("description", NpgsqlDbType.Text, (object?)definition.Description ?? DBNull.Value);
        command.Parameters.AddWithValue("by", by);
        command.Parameters.AddWithValue("most", MostWorkflows);
        command.Parameters.AddWithValue("most_versions", MostVersions);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
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

    /// <param name="tenantId">Whose.</param>
    /// <param name="after">The last name of the page before; null begins with the first.</param>
    /// <param name="limit">Workflows on the page.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The newest version of each, by name.</returns>
    public async Task<List<WorkflowSummary>> ListAsync(Guid tenantId, string? after, int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("after", NpgsqlDbType.Text, (object?)after ?? DBNull.Value);
        command.Parameters.AddWithValue("limit", limit);
        command.Parameters.AddWithValue("most", MostRuns);
        return await command.ReadAllAsync(ReadSummary, cancellationToken);
    }

    /// <param name="tenantId">Whose.</param>
    /// <param name="name">The workflow.</param>
    /// <param name="before">The last version of the page before; null begins with the newest.</param>
    /// <param name="limit">Versions on the page.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Its versions, newest first.</returns>
    public async Task<List<WorkflowSummary>> ListVersionsAsync(
        Guid tenantId,
        string name,
        int? before,
        int limit,
        CancellationToken cancellationToken
    )
    {
        await using var command = database.CreateCommandFor(tenantId, VersionsSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", name);
        command.Parameters.AddWithValue("before", NpgsqlDbType.Integer, (object?)before ?? DBNull.Value);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadAllAsync(ReadSummary, cancellationToken);
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

    private static WorkflowSummary ReadSummary(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            row.GetInt32(1),
            row.Text(2),
            row.GetFieldValue<DateTimeOffset>(3),
            row.Text(4),
            row.GetInt32(5),
            row.IsDBNull(6) ? null : (int)row.GetInt64(6)
        );

    private static Workflow Read(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            row.GetInt32(1),
            JsonSerializer.Deserialize(row.GetString(2), StoredJson.Lenient.WorkflowDefinition)!,
            row.GetFieldValue<DateTimeOffset>(3),
            row.IsDBNull(4) ? null : row.GetString(4)
        );
}
