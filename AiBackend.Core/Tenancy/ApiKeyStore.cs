using System.Collections.Concurrent;
using System.Data;
using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Tenancy;

/// <summary>On whose behalf a request acts.</summary>
/// <param name="TenantId">The tenant.</param>
/// <param name="KeyId">Public id of the key that was used.</param>
/// <param name="Scopes">What the key may do; <c>*</c> is everything.</param>
/// <param name="Tier">The tenant's tier.</param>
/// <param name="HighestPriority">The most urgent priority that the key may ask for, as stored; null leaves it to the tier.</param>
public sealed record Caller(Guid TenantId, string KeyId, IReadOnlyList<string> Scopes, string Tier, short? HighestPriority);

/// <summary>Keeps API keys and finds the caller behind one.</summary>
public sealed class ApiKeyStore(NpgsqlDataSource database, IOptions<TenancyOptions> options, TimeProvider clock)
{
    /// <summary>The tenant that exists from the first migration on.</summary>
    public static readonly Guid DefaultTenant = new("00000000-0000-7000-8000-000000000001");

    // A revoked key must stop working everywhere within 5 s.
    private static readonly TimeSpan CacheTime = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan StaleTime = TimeSpan.FromSeconds(4.8);
    private const int MaxCached = 10_000;

    private const string FindSql = """
        SELECT k.hash, k.tenant_id, k.scopes, t.tier, k.highest_priority FROM api_keys k JOIN tenants t ON t.id = k.tenant_id
         WHERE k.key_id = @key_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
        """;

    private const string InsertSql = """
        INSERT INTO api_keys (key_id, tenant_id, name, hash, scopes) VALUES (@key_id, @tenant_id, @name, @hash, @scopes)
        ON CONFLICT (key_id) DO UPDATE SET hash = excluded.hash, revoked_at = NULL
        """;

    private readonly byte[] _pepper = options.Value.PepperBytes;
    private readonly ConcurrentDictionary<string, Cached> _cache = new(StringComparer.Ordinal);

    /// <returns>The caller, or null when the key is unknown, revoked or expired; why is nobody's business.</returns>
    public async ValueTask<Caller?> FindCallerAsync(string text, CancellationToken cancellationToken)
    {
        // The cache is keyed by the whole text, so a hit needs no hash; it lives in this process' memory only.
        if (_cache.TryGetValue(text, out var cached))
        {
            var age = clock.GetElapsedTime(cached.At);
            // One request asks Postgres again while the others of a busy key go on; sixty-four questions at once would be
            // a pause for all of them, every few seconds.
            if (age < CacheTime || (age < StaleTime && !cached.TryBeginRefresh()))
            {
                return cached.Caller;
            }
        }

        if (ApiKey.TryParse(text) is not { } key)
        {
            return null;
        }

        var caller = await FindAsync(key, cancellationToken);
        if (caller is not null)
        {
            if (_cache.Count >= MaxCached)
            {
                _cache.Clear();
            }

            _cache[text] = new Cached(caller, clock.GetTimestamp());
        }
        else
        {
            _cache.TryRemove(text, out _);
        }

        return caller;
    }

    /// <summary>Stores a key; storing the same key again makes it valid again.</summary>
    public async Task AddAsync(ApiKey key, Guid tenantId, string name, string[] scopes, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(InsertSql);
        command.Parameters.AddWithValue("key_id", key.Id);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", name);
        command.Parameters.AddWithValue("hash", key.Hash(_pepper));
        command.Parameters.AddWithValue("scopes", scopes);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<Caller?> FindAsync(ApiKey key, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(FindSql);
        command.Parameters.AddWithValue("key_id", key.Id);
        await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleRow, cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? ReadCaller(reader, key) : null;
    }

    private Caller? ReadCaller(NpgsqlDataReader row, ApiKey key) =>
        CryptographicOperations.FixedTimeEquals(row.GetFieldValue<byte[]>(0), key.Hash(_pepper))
            ? new Caller(row.GetGuid(1), key.Id, row.GetFieldValue<string[]>(2), row.GetString(3), row.IsDBNull(4) ? null : row.GetInt16(4))
            : null;

    private sealed class Cached(Caller caller, long at)
    {
        private bool _refreshing;

        public Caller Caller { get; } = caller;

        public long At { get; } = at;

        public bool TryBeginRefresh() => !Interlocked.Exchange(ref _refreshing, true);
    }
}
