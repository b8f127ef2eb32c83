using System.Text.Json;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Privacy;

/// <summary>Has tenants deleted, and tells how far that is. The work is <see cref="DeleteTenants"/>'.</summary>
public sealed class TenantDeletions([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database)
{
    private const string Columns = """
        id, tenant_id, slug, reason, requested_by, requested_at, counts::text, finished_at, audit_seq, encode(audit_hash, 'hex'),
        second_at, second_counts::text, second_seq, encode(second_hash, 'hex')
        """;

    // Its keys are refused from the same moment on. The operators' own tenant stays: nobody could run the installation without it.
    private const string BeginSql = $"""
        WITH t AS (
            UPDATE tenants SET deletion_at = now(), disabled_at = coalesce(disabled_at, now())
             WHERE id = @tenant_id AND deletion_at IS NULL AND id <> '00000000-0000-7000-8000-000000000001'
            RETURNING id, slug
        )
        INSERT INTO tenant_deletions (id, tenant_id, slug, reason, requested_by) SELECT @id, id, slug, @reason, @requested_by FROM t
        RETURNING {Columns}
        """;

    private const string FindSql = $"""
        SELECT {Columns} FROM tenant_deletions d
         WHERE slug = @slug AND (@organisation_id IS NULL OR EXISTS (SELECT 1 FROM tenants t WHERE t.id = d.tenant_id AND t.organisation_id = @organisation_id))
        """;

    /// <param name="tenantId">Which.</param>
    /// <param name="reason">Why.</param>
    /// <param name="requestedBy">Who asks.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when there is no such tenant, or it is being deleted already, or may not be.</returns>
    public async Task<TenantDeletion?> BeginAsync(Guid tenantId, string reason, string requestedBy, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited(BeginSql, out var command);
        command.Parameters.AddWithValue("id", Guid.CreateVersion7());
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("reason", reason);
        command.Parameters.AddWithValue("requested_by", requestedBy);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <param name="slug">Of which tenant.</param>
    /// <param name="organisationId">Only of this organisation; null is any.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when no such tenant is or was deleted.</returns>
    public async Task<TenantDeletion?> FindAsync(string slug, Guid? organisationId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(FindSql);
        command.Parameters.AddWithValue("slug", slug);
        command.Parameters.AddWithValue("organisation_id", NpgsqlTypes.NpgsqlDbType.Uuid, (object?)organisationId ?? DBNull.Value);
        return (await command.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    private static TenantDeletion Read(NpgsqlDataReader row) =>
        new()
        {
            Id = row.GetGuid(0),
            TenantId = row.GetGuid(1),
            Slug = row.GetString(2),
            Reason = row.GetString(3),
            RequestedBy = row.GetString(4),
            RequestedAt = row.GetFieldValue<DateTimeOffset>(5),
            Rows = ReadCounts(row.GetString(6)),
            FinishedAt = row.Moment(7),
            AuditSeq = row.IsDBNull(8) ? null : row.GetInt64(8),
            AuditHash = row.Text(9),
            SecondLook = row.Moment(10) is { } at ? new(at, ReadCounts(row.GetString(11)), row.GetInt64(12), row.GetString(13)) : null,
        };

    private static Dictionary<string, long> ReadCounts(string json)
    {
        using var counts = JsonDocument.Parse(json);
        return counts
            .RootElement.EnumerateObject()
            .ToDictionary(count => count.Name, count => count.Value.GetInt64(), StringComparer.Ordinal);
    }
}
