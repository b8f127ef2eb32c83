using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Webhooks;

/// <summary>Webhook endpoints of tenants. Every call names its tenant.</summary>
public sealed class EndpointStore(NpgsqlDataSource database, WebhookSeal seal)
{
    /// <summary>How many a tenant may have, besides the one for jobs.</summary>
    public const int MostOfTenant = 20;

    private const string Columns =
        "id, tenant_id, url, description, events, enabled, disabled_for, failing_since, CASE WHEN old_until > now() THEN old_until END, created_at";

    private const string AddSql = $"""
        INSERT INTO webhook_endpoints (id, tenant_id, url, description, events, secret, enabled, created_by)
        SELECT @id, @tenant_id, @url, @description, @events, @secret, @enabled, @key_id
         WHERE @url IS NULL OR (SELECT count(url) FROM webhook_endpoints WHERE tenant_id = @tenant_id) < @most
        ON CONFLICT DO NOTHING
        RETURNING {Columns}
        """;

    // Only what is given: the sender may have disabled it a moment ago. Whoever enables it believes that it is well again.
    private const string ChangeSql = $"""
        UPDATE webhook_endpoints
           SET url = coalesce(@url, url), description = coalesce(@description, description), events = coalesce(@events, events),
               enabled = coalesce(@enabled, enabled),
               disabled_for = CASE WHEN @enabled <> enabled THEN NULL ELSE disabled_for END,
               failing_since = CASE WHEN @enabled AND NOT enabled THEN NULL ELSE failing_since END
         WHERE tenant_id = @tenant_id AND id = @id
        RETURNING {Columns}
        """;

    private const string RotateSql = $"""
        UPDATE webhook_endpoints SET old_secret = secret, old_until = now() + interval '24 hours', secret = @secret
         WHERE tenant_id = @tenant_id AND id = @id
        RETURNING {Columns}
        """;

    private const string DeleteSql = """
        WITH gone AS (
            DELETE FROM webhook_endpoints WHERE tenant_id = @tenant_id AND id = @id RETURNING id
        ), messages AS (
            DELETE FROM webhook_deliveries d USING gone WHERE d.tenant_id = @tenant_id AND d.endpoint = @name
        ), tries AS (
            DELETE FROM webhook_tries t USING gone WHERE t.tenant_id = @tenant_id AND t.endpoint = @name
        )
        SELECT id FROM gone
        """;

    private const string ListSql = $"""
        SELECT {Columns} FROM webhook_endpoints WHERE tenant_id = @tenant_id AND (@id IS NULL OR id = @id) ORDER BY created_at DESC, id
        """;

    private const string TakesJobsSql =
        "SELECT EXISTS (SELECT 1 FROM webhook_endpoints WHERE tenant_id = @tenant_id AND url IS NULL AND enabled)";

    /// <returns>Null when the tenant has too many, or one for jobs already.</returns>
    public async Task<WebhookEndpoint?> AddAsync(WebhookEndpoint endpoint, string secret, string keyId, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([endpoint.TenantId], AddSql, out var command);
        AddKey(command.Parameters, endpoint.TenantId, endpoint.Id);
        AddValues(command.Parameters, new(endpoint.Url, endpoint.Description, endpoint.Events, endpoint.Enabled));
        command.Parameters.AddWithValue("secret", seal.Seal(endpoint.Id, secret));
        command.Parameters.AddWithValue("key_id", keyId);
        command.Parameters.AddWithValue("most", MostOfTenant);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>Null when the tenant has none with this id.</returns>
    public async Task<WebhookEndpoint?> ChangeAsync(Guid tenantId, Guid id, EndpointChange change, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], ChangeSql, out var command);
        AddKey(command.Parameters, tenantId, id);
        AddValues(command.Parameters, change);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <summary>Signs with another secret from now on, and with the one before too for 24 hours.</summary>
    /// <returns>Null when the tenant has none with this id.</returns>
    public async Task<WebhookEndpoint?> RotateAsync(Guid tenantId, Guid id, string secret, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], RotateSql, out var command);
        AddKey(command.Parameters, tenantId, id);
        command.Parameters.AddWithValue("secret", seal.Seal(id, secret));
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <summary>Takes it away, with its messages.</summary>
    /// <returns>False when the tenant has none with this id.</returns>
    public async Task<bool> DeleteAsync(Guid tenantId, Guid id, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAuditedFor([tenantId], DeleteSql, out var command);
        AddKey(command.Parameters, tenantId, id);
        command.Parameters.AddWithValue("name", WebhookEndpoint.NameOf(id));
        return await batch.ExecuteScalarAsync(cancellationToken) is not null;
    }

    /// <returns>Those of a tenant, newest first.</returns>
    public async Task<IReadOnlyList<WebhookEndpoint>> ListAsync(Guid tenantId, CancellationToken cancellationToken) =>
        await ListAsync(tenantId, null, cancellationToken);

    /// <returns>Null when the tenant has none with this id.</returns>
    public async Task<WebhookEndpoint?> FindAsync(Guid tenantId, Guid id, CancellationToken cancellationToken) =>
        (await ListAsync(tenantId, id, cancellationToken)).SingleOrDefault();

    /// <summary>Whether there is a secret for messages of jobs that name an address.</summary>
    public async Task<bool> TakesJobsAsync(Guid tenantId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, TakesJobsSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    private async Task<IReadOnlyList<WebhookEndpoint>> ListAsync(Guid tenantId, Guid? id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommandFor(tenantId, ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("id", NpgsqlDbType.Uuid, (object?)id ?? DBNull.Value);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static void AddValues(NpgsqlParameterCollection parameters, EndpointChange values)
    {
        parameters.AddWithValue("url", NpgsqlDbType.Text, (object?)values.Url ?? DBNull.Value);
        parameters.AddWithValue("description", NpgsqlDbType.Text, (object?)values.Description ?? DBNull.Value);
        parameters.AddWithValue("events", NpgsqlDbType.Array | NpgsqlDbType.Text, (object?)values.Events?.ToArray() ?? DBNull.Value);
        parameters.AddWithValue("enabled", NpgsqlDbType.Boolean, (object?)values.Enabled ?? DBNull.Value);
    }

    private static void AddKey(NpgsqlParameterCollection parameters, Guid tenantId, Guid id)
    {
        parameters.AddWithValue("tenant_id", tenantId);
        parameters.AddWithValue("id", id);
    }

    private static WebhookEndpoint Read(NpgsqlDataReader row) =>
        new()
        {
            Id = row.GetGuid(0),
            TenantId = row.GetGuid(1),
            Url = row.Text(2),
            Description = row.Text(3),
            Events = row.GetFieldValue<string[]>(4),
            Enabled = row.GetBoolean(5),
            DisabledFor = row.Text(6),
            FailingSince = row.Moment(7),
            OldSecretUntil = row.Moment(8),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(9),
        };
}

/// <summary>What somebody wants to be otherwise; null is as it is.</summary>
/// <param name="Url">Where to.</param>
/// <param name="Description">For people.</param>
/// <param name="Events">Types of messages; empty is all.</param>
/// <param name="Enabled">Whether messages go there.</param>
public sealed record EndpointChange(
    string? Url = null,
    string? Description = null,
    IReadOnlyList<string>? Events = null,
    bool? Enabled = null
);
