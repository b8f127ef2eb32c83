using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using AiBackend.Core.Tenancy;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Webhooks.Inbound;

/// <summary>Sources of webhooks. Every call names its tenant, but for the one that a message makes, which proves itself.</summary>
public sealed class SourceStore(
    NpgsqlDataSource database,
    [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource allTenants,
    WebhookSeal seal
)
{
    /// <summary>How many a tenant may have.</summary>
    public const int MostOfTenant = 20;

    private const string Columns = """
        s.id, s.tenant_id, s.name, s.template, s.enabled, CASE WHEN s.old_until > now() THEN s.old_until END, s.created_at,
        s.created_by
        """;

    private const string AddSql = $"""
        INSERT INTO webhook_sources AS s (id, tenant_id, name, template, secret, created_by)
        SELECT @id, @tenant_id, @name, @template, @secret, @created_by
         WHERE (SELECT count(*) FROM webhook_sources WHERE tenant_id = @tenant_id) < @most
        RETURNING {Columns}
        """;

    private const string ChangeSql = $"""
        UPDATE webhook_sources s SET name = @name, template = @template, enabled = @enabled
         WHERE s.tenant_id = @tenant_id AND s.id = @id
        RETURNING {Columns}
        """;

    private const string RotateSql = $"""
        UPDATE webhook_sources s SET old_secret = secret, old_until = now() + interval '24 hours', secret = @secret
         WHERE s.tenant_id = @tenant_id AND s.id = @id
        RETURNING {Columns}
        """;

    private const string DeleteSql = """
        WITH gone AS (
            DELETE FROM webhook_sources WHERE tenant_id = @tenant_id AND id = @id RETURNING id
        ), receipts AS (
            DELETE FROM webhook_receipts r USING gone WHERE r.tenant_id = @tenant_id AND r.source_id = gone.id
        )
        SELECT id FROM gone
        """;

    private const string ListSql = $"""
        SELECT {Columns} FROM webhook_sources s WHERE s.tenant_id = @tenant_id AND (@id IS NULL OR s.id = @id) ORDER BY s.created_at DESC, s.id
        """;

    // Whoever revokes a key means what it made, too; a key that has expired or was rolled was in order.
    private const string OpenSql = $"""
        SELECT {Columns}, s.secret, CASE WHEN s.old_until > now() THEN s.old_secret END, t.tier, t.organisation_id, k.highest_priority,
               k.allowed_models, k.requests_per_minute, k.tokens_per_minute, k.max_queued
          FROM webhook_sources s JOIN tenants t ON t.id = s.tenant_id LEFT JOIN api_keys k ON k.key_id = s.created_by
         WHERE s.id = @id AND s.enabled AND t.disabled_at IS NULL AND k.revoked_at IS NULL
        """;

    /// <returns>Null when the tenant has too many.</returns>
    public async Task<WebhookSource?> AddAsync(WebhookSource source, string secret, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([source.TenantId], AddSql, out var command);
        AddValues(command.Parameters, source);
        command.Parameters.AddWithValue("secret", seal.Seal(source.Id, secret));
        command.Parameters.AddWithValue("created_by", source.CreatedBy);
        command.Parameters.AddWithValue("most", MostOfTenant);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>Null when the tenant has none with this id.</returns>
    public async Task<WebhookSource?> ChangeAsync(WebhookSource source, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([source.TenantId], ChangeSql, out var command);
        AddValues(command.Parameters, source);
        command.Parameters.AddWithValue("enabled", source.Enabled);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <summary>Believes another secret from now on, and the one before too for 24 hours.</summary>
    /// <returns>Null when the tenant has none with this id.</returns>
    public async Task<WebhookSource?> RotateAsync(Guid tenantId, Guid id, string secret, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], RotateSql, out var command);
        AddKey(command.Parameters, tenantId, id);
        command.Parameters.AddWithValue("secret", seal.Seal(id, secret));
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>False when the tenant has none with this id.</returns>
    public async Task<bool> DeleteAsync(Guid tenantId, Guid id, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], DeleteSql, out var command);
        AddKey(command.Parameters, tenantId, id);
        return await batch.ExecuteScalarAsync(cancellationToken) is not null;
    }

    /// <param name="tenantId">Whose.</param>
    /// <param name="id">Only this one; null is all.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Newest first.</returns>
    public async Task<IReadOnlyList<WebhookSource>> ListAsync(Guid tenantId, Guid? id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("id", NpgsqlDbType.Uuid, (object?)id ?? DBNull.Value);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    /// <summary>For a message that says whom it is for, and has yet to prove whom it is from.</summary>
    /// <returns>Null when there is none that takes messages.</returns>
    public async Task<OpenSource?> OpenAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var command = allTenants.CreateCommand(OpenSql);
        command.Parameters.AddWithValue("id", id);
        return (await command.ReadAllAsync(ReadOpen, cancellationToken)).SingleOrDefault();
    }

    private static void AddValues(NpgsqlParameterCollection parameters, WebhookSource source)
    {
        AddKey(parameters, source.TenantId, source.Id);
        parameters.AddWithValue("name", source.Name);
        parameters.AddWithValue("template", source.Template);
    }

    private static void AddKey(NpgsqlParameterCollection parameters, Guid tenantId, Guid id)
    {
        parameters.AddWithValue("tenant_id", tenantId);
        parameters.AddWithValue("id", id);
    }

    private static WebhookSource Read(NpgsqlDataReader row) =>
        new()
        {
            Id = row.GetGuid(0),
            TenantId = row.GetGuid(1),
            Name = row.GetString(2),
            Template = row.GetString(3),
            Enabled = row.GetBoolean(4),
            OldSecretUntil = row.Moment(5),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(6),
            CreatedBy = row.GetString(7),
        };

    private OpenSource ReadOpen(NpgsqlDataReader row)
    {
        var source = Read(row);
        byte[]?[] boxes = [row.GetFieldValue<byte[]>(8), row.IsDBNull(9) ? null : row.GetFieldValue<byte[]>(9)];
        var secrets = boxes.OfType<byte[]>().Select(box => seal.Open(source.Id, box)).OfType<WebhookSecret>();
        short? highest = row.IsDBNull(12) ? null : row.GetInt16(12);
        var caller = new Caller(source.TenantId, source.CreatedBy, [], row.GetString(10), highest)
        {
            OrganisationId = row.GetGuid(11),
            AllowedModels = row.IsDBNull(13) ? null : row.GetFieldValue<string[]>(13),
            Limits = new KeyLimits(Number(row, 14), Number(row, 15), Number(row, 16)),
        };
        return new OpenSource(source, [.. secrets], caller);
    }

    private static long? Number(NpgsqlDataReader row, int ordinal) => row.IsDBNull(ordinal) ? null : row.GetInt64(ordinal);
}
