using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Tenancy;

/// <summary>Makes, shows, changes, rolls and revokes API keys. Every call names the tenant.</summary>
public sealed class KeyAdministration([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database, ApiKeyStore keys)
{
    /// <summary>Keys of a tenant that are neither revoked nor expired; a store that anybody could fill is nobody's.</summary>
    public const int MaxKeys = 1_000;

    private const string Columns = """
        key_id, tenant_id, name, scopes, highest_priority, allowed_models, allowed_networks, requests_per_minute, tokens_per_minute, max_queued,
        max_running, created_by, created_at, expires_at, revoked_at, last_used_at, replaced_by
        """;

    private const string AddSql = $"""
        INSERT INTO api_keys (key_id, tenant_id, name, hash, scopes, highest_priority, allowed_models, allowed_networks, requests_per_minute,
                              tokens_per_minute, max_queued, max_running, created_by, expires_at)
        SELECT @key_id, @tenant_id, @name, @hash, @scopes, @highest_priority, @allowed_models, @allowed_networks, @requests_per_minute,
               @tokens_per_minute, @max_queued, @max_running, @created_by, @expires_at
         WHERE (SELECT count(*) FROM api_keys WHERE tenant_id = @tenant_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()))
               < @most
        RETURNING {Columns}
        """;

    // Only what is asked for: whatever was read before may be another by now.
    private const string ChangeSql = $"""
        UPDATE api_keys SET
               name = CASE WHEN 'name' = ANY (@given) THEN @name ELSE name END,
               highest_priority = CASE WHEN 'highest_priority' = ANY (@given) THEN @highest_priority ELSE highest_priority END,
               allowed_models = CASE WHEN 'allowed_models' = ANY (@given) THEN @allowed_models ELSE allowed_models END,
               allowed_networks = CASE WHEN 'allowed_networks' = ANY (@given) THEN @allowed_networks ELSE allowed_networks END,
               requests_per_minute = CASE WHEN 'requests_per_minute' = ANY (@given) THEN @requests_per_minute ELSE requests_per_minute END,
               tokens_per_minute = CASE WHEN 'tokens_per_minute' = ANY (@given) THEN @tokens_per_minute ELSE tokens_per_minute END,
               max_queued = CASE WHEN 'max_queued' = ANY (@given) THEN @max_queued ELSE max_queued END,
               max_running = CASE WHEN 'max_running' = ANY (@given) THEN @max_running ELSE max_running END
         WHERE key_id = @key_id AND tenant_id = @tenant_id AND revoked_at IS NULL
        RETURNING {Columns}
        """;

    // The old key and the new one in one statement: nobody is left with neither, and a key is rolled once.
    private const string RollSql = $"""
        WITH old AS (
            UPDATE api_keys SET replaced_by = @key_id, expires_at = least(expires_at, now() + @overlap)
             WHERE key_id = @old_id AND tenant_id = @tenant_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
               AND replaced_by IS NULL
               AND (SELECT count(*) FROM api_keys WHERE tenant_id = @tenant_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()))
                   < @most + CASE WHEN @overlap > interval '0' THEN 0 ELSE 1 END
            RETURNING *
        )
        INSERT INTO api_keys (key_id, tenant_id, name, hash, scopes, highest_priority, allowed_models, allowed_networks, requests_per_minute,
                              tokens_per_minute, max_queued, max_running, created_by, expires_at)
        SELECT @key_id, tenant_id, name, @hash, scopes, highest_priority, allowed_models, allowed_networks, requests_per_minute,
               tokens_per_minute, max_queued, max_running, @created_by, @expires_at FROM old
        RETURNING {Columns}
        """;

    private const string RevokeSql = $"""
        UPDATE api_keys SET revoked_at = now() WHERE key_id = @key_id AND tenant_id = @tenant_id AND revoked_at IS NULL
        """;

    private const string ListSql = $"""
        SELECT {Columns} FROM api_keys
         WHERE tenant_id = @tenant_id AND (@key_id IS NULL OR key_id = @key_id)
         ORDER BY revoked_at IS NOT NULL, created_at DESC, key_id LIMIT 2000
        """;

    /// <param name="key">The new key.</param>
    /// <param name="wanted">What it may do.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when the tenant has as many keys as it may.</returns>
    public async Task<KeyRecord?> AddAsync(ApiKey key, KeyRecord wanted, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited(AddSql, out var command);
        AddValues(command.Parameters, wanted with { Id = key.Id });
        command.Parameters.AddWithValue("hash", keys.HashOf(key));
        command.Parameters.AddWithValue("scopes", wanted.Scopes.ToArray());
        AddMade(command.Parameters, wanted.CreatedBy, wanted.ExpiresAt);
        command.Parameters.AddWithValue("most", MaxKeys);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <summary>Sets what differs of name, bounds and limits.</summary>
    /// <returns>Null when the tenant has no such key that is not revoked.</returns>
    public async Task<KeyRecord?> ChangeAsync(KeyRecord was, KeyRecord wanted, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited(ChangeSql, out var command);
        AddValues(command.Parameters, wanted);
        (string Column, bool Differs)[] columns =
        [
            ("name", wanted.Name != was.Name),
            ("highest_priority", wanted.HighestPriority != was.HighestPriority),
            ("allowed_models", !ReferenceEquals(wanted.AllowedModels, was.AllowedModels)),
            ("allowed_networks", !ReferenceEquals(wanted.AllowedNetworks, was.AllowedNetworks)),
            ("requests_per_minute", wanted.Limits.RequestsPerMinute != was.Limits.RequestsPerMinute),
            ("tokens_per_minute", wanted.Limits.TokensPerMinute != was.Limits.TokensPerMinute),
            ("max_queued", wanted.Limits.MaxQueued != was.Limits.MaxQueued),
            ("max_running", wanted.Limits.MaxRunning != was.Limits.MaxRunning),
        ];
        string[] given = [.. columns.Where(each => each.Differs).Select(each => each.Column)];
        command.Parameters.AddWithValue("given", given);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <summary>Makes a key that may do the same, and lets the old one end.</summary>
    /// <param name="tenantId">Whose.</param>
    /// <param name="oldId">The old key.</param>
    /// <param name="key">The new one.</param>
    /// <param name="overlap">How long the old one is still accepted, unless it expires before.</param>
    /// <param name="expiresAt">When the new one expires; null is never.</param>
    /// <param name="createdBy">Who asks.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when the tenant has no such key that could be rolled, or as many as it may.</returns>
    public async Task<KeyRecord?> RollAsync(
        Guid tenantId,
        string oldId,
        ApiKey key,
        TimeSpan overlap,
        DateTimeOffset? expiresAt,
        string createdBy,
        CancellationToken cancellationToken
    )
    {
        await using var batch = database.CreateAudited(RollSql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("old_id", oldId);
        command.Parameters.AddWithValue("key_id", key.Id);
        command.Parameters.AddWithValue("hash", keys.HashOf(key));
        command.Parameters.AddWithValue("overlap", overlap);
        command.Parameters.AddWithValue("most", MaxKeys);
        AddMade(command.Parameters, createdBy, expiresAt);
        return (await batch.ReadAllAsync(Read, cancellationToken)).SingleOrDefault();
    }

    /// <returns>False when the tenant has no such key, or it was revoked before.</returns>
    public async Task<bool> RevokeAsync(Guid tenantId, string keyId, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited(RevokeSql, out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("key_id", keyId);
        return await batch.ExecuteNonQueryAsync(cancellationToken) > 0;
    }

    /// <param name="tenantId">Whose.</param>
    /// <param name="keyId">Only this one; null is all.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IReadOnlyList<KeyRecord>> ListAsync(Guid tenantId, string? keyId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(ListSql);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("key_id", NpgsqlDbType.Text, (object?)keyId ?? DBNull.Value);
        return await command.ReadAllAsync(Read, cancellationToken);
    }

    private static void AddValues(NpgsqlParameterCollection parameters, KeyRecord key)
    {
        parameters.AddWithValue("key_id", key.Id);
        parameters.AddWithValue("tenant_id", key.TenantId);
        parameters.AddWithValue("name", key.Name);
        parameters.AddWithValue("highest_priority", NpgsqlDbType.Smallint, (object?)key.HighestPriority ?? DBNull.Value);
        AddList("allowed_models", key.AllowedModels);
        AddList("allowed_networks", key.AllowedNetworks);
        AddNumber("requests_per_minute", key.Limits.RequestsPerMinute);
        AddNumber("tokens_per_minute", key.Limits.TokensPerMinute);
        AddNumber("max_queued", key.Limits.MaxQueued);
        AddNumber("max_running", key.Limits.MaxRunning);

        void AddList(string name, IReadOnlyList<string>? values) =>
            parameters.AddWithValue(name, NpgsqlDbType.Array | NpgsqlDbType.Text, (object?)values?.ToArray() ?? DBNull.Value);

        void AddNumber(string name, long? value) => parameters.AddWithValue(name, NpgsqlDbType.Bigint, (object?)value ?? DBNull.Value);
    }

    private static void AddMade(NpgsqlParameterCollection parameters, string? createdBy, DateTimeOffset? expiresAt)
    {
        parameters.AddWithValue("created_by", NpgsqlDbType.Text, (object?)createdBy ?? DBNull.Value);
        parameters.AddWithValue("expires_at", NpgsqlDbType.TimestampTz, (object?)expiresAt?.ToUniversalTime() ?? DBNull.Value);
    }

    private static KeyRecord Read(NpgsqlDataReader row) =>
        new()
        {
            Id = row.GetString(0),
            TenantId = row.GetGuid(1),
            Name = row.GetString(2),
            Scopes = row.GetFieldValue<string[]>(3),
            HighestPriority = row.IsDBNull(4) ? null : row.GetInt16(4),
            AllowedModels = row.IsDBNull(5) ? null : row.GetFieldValue<string[]>(5),
            AllowedNetworks = row.IsDBNull(6) ? null : row.GetFieldValue<string[]>(6),
            Limits = row.ReadLimits(7),
            CreatedBy = row.Text(11),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(12),
            ExpiresAt = row.Moment(13),
            RevokedAt = row.Moment(14),
            LastUsedAt = row.Moment(15),
            ReplacedBy = row.Text(16),
        };
}
