using System.Collections.Concurrent;
using System.Data;
using System.Net;
using System.Security.Cryptography;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Tenancy;

/// <summary>Keeps API keys and finds the caller behind one.</summary>
public sealed class ApiKeyStore(
    [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database,
    IOptions<TenancyOptions> options,
    TimeProvider clock
)
{
    /// <summary>The tenant that exists from the first migration on: the operators'.</summary>
    public static readonly Guid DefaultTenant = new("00000000-0000-7000-8000-000000000001");

    // A revoked key must stop working everywhere within 5 s.
    private static readonly TimeSpan CacheTime = TimeSpan.FromSeconds(4);
    internal static readonly TimeSpan StaleTime = TimeSpan.FromSeconds(4.5);

    /// <summary>For as long a server may let a key in that was revoked meanwhile.</summary>
    internal static readonly TimeSpan LongestTrust = TimeSpan.FromSeconds(5);

    private const int MaxCached = 10_000;

    private const string FindSql = """
        SELECT k.hash, k.tenant_id, k.scopes, t.tier, k.highest_priority, t.organisation_id, k.allowed_models, k.allowed_networks,
               k.requests_per_minute, k.tokens_per_minute, k.max_queued, k.max_running,
               k.last_used_at IS NULL OR k.last_used_at < now() - interval '5 minutes', k.expires_at, t.slug
          FROM api_keys k JOIN tenants t ON t.id = k.tenant_id
         WHERE k.key_id = @key_id AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AND t.disabled_at IS NULL
        """;

    private const string InsertSql = """
        INSERT INTO api_keys (key_id, tenant_id, name, hash, scopes) VALUES (@key_id, @tenant_id, @name, @hash, @scopes)
        ON CONFLICT (key_id) DO UPDATE SET hash = excluded.hash, revoked_at = NULL
        """;

    private const string UsedSql = """
        UPDATE api_keys SET last_used_at = now()
         WHERE key_id = @key_id AND (last_used_at IS NULL OR last_used_at < now() - interval '5 minutes')
        """;

    // Only what was compared: it may be another key's by now.
    private const string RehashSql = "UPDATE api_keys SET hash = @hash WHERE key_id = @key_id AND hash = @stored";

    private readonly byte[] _pepper = options.Value.PepperBytes;
    private readonly byte[]? _otherPepper = options.Value.OtherPepperBytes;
    private readonly ConcurrentDictionary<string, Cached> _cache = new(StringComparer.Ordinal);

    /// <summary>Whether the text was a valid key a moment ago: its caller is let in before others that guess from the same address.</summary>
    public bool IsKnown(string text) => _cache.ContainsKey(text);

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

        // From before the question on: what the answer says was true then.
        var asked = clock.GetTimestamp();
        var caller = await FindAsync(key, cancellationToken);
        if (caller is not null)
        {
            if (_cache.Count >= MaxCached)
            {
                _cache.Clear();
            }

            _cache[text] = new Cached(caller, asked);
        }
        else
        {
            _cache.TryRemove(text, out _);
        }

        return caller;
    }

    /// <summary>For work that a key left behind, which goes on without it.</summary>
    /// <returns>Whom the key stands for; null when it is over.</returns>
    public async Task<Caller?> FindByIdAsync(string keyId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(FindSql);
        command.Parameters.AddWithValue("key_id", keyId);
        return (await command.ReadAllAsync(row => ReadCaller(row, keyId), cancellationToken)).SingleOrDefault();
    }

    /// <summary>Stores a key; storing the same key again makes it valid again.</summary>
    public async Task AddAsync(ApiKey key, Guid tenantId, string name, string[] scopes, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(InsertSql);
        command.Parameters.AddWithValue("key_id", key.Id);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("name", name);
        command.Parameters.AddWithValue("hash", HashOf(key));
        command.Parameters.AddWithValue("scopes", scopes);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>What the database keeps of a key.</summary>
    internal byte[] HashOf(ApiKey key) => key.Hash(_pepper);

    private async Task<Caller?> FindAsync(ApiKey key, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(FindSql);
        command.Parameters.AddWithValue("key_id", key.Id);
        await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleRow, cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
        {
            return null;
        }

        var stored = await reader.GetFieldValueAsync<byte[]>(0, cancellationToken);
        if (CryptographicOperations.FixedTimeEquals(stored, key.Hash(_pepper)))
        {
            return ReadCaller(reader, key.Id);
        }

        if (_otherPepper is null || !CryptographicOperations.FixedTimeEquals(stored, key.Hash(_otherPepper)))
        {
            return null;
        }

        _ = NoteAsync(RehashSql, key.Id, ("hash", key.Hash(_pepper)), ("stored", stored));
        return ReadCaller(reader, key.Id);
    }

    private Caller ReadCaller(NpgsqlDataReader row, string keyId)
    {
        if (row.GetBoolean(12))
        {
            _ = NoteAsync(UsedSql, keyId);
        }

        return new Caller(row.GetGuid(1), keyId, row.GetFieldValue<string[]>(2), row.GetString(3), row.IsDBNull(4) ? null : row.GetInt16(4))
        {
            OrganisationId = row.GetGuid(5),
            Tenant = row.GetString(14),
            AllowedModels = row.IsDBNull(6) ? null : row.GetFieldValue<string[]>(6),
            AllowedNetworks = row.IsDBNull(7) ? null : [.. row.GetFieldValue<string[]>(7).Select(text => IPNetwork.Parse(text))],
            Limits = row.ReadLimits(8),
            ExpiresAt = row.Moment(13),
        };
    }

    /// <summary>Not waited for by anybody: when it fails, the next look at the key tries again.</summary>
    private async Task NoteAsync(string sql, string keyId, params (string Name, byte[] Value)[] values)
    {
        try
        {
#pragma warning disable CA2100 // Constants of this class.
            await using var command = database.CreateCommand(sql);
#pragma warning restore CA2100
            command.Parameters.AddWithValue("key_id", keyId);
            foreach (var (name, value) in values)
            {
                command.Parameters.AddWithValue(name, value);
            }

            // None: the limit of every statement bounds it.
            await command.ExecuteNonQueryAsync(CancellationToken.None);
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure) || failure is ObjectDisposedException)
        {
            // Nothing depends on it.
        }
    }

    private sealed class Cached(Caller caller, long at)
    {
        private bool _refreshing;

        public Caller Caller { get; } = caller;

        public long At { get; } = at;

        public bool TryBeginRefresh() => !Interlocked.Exchange(ref _refreshing, true);
    }
}

internal static class KeyRows
{
    /// <summary>Four columns from <paramref name="ordinal"/> on.</summary>
    public static KeyLimits ReadLimits(this NpgsqlDataReader row, int ordinal)
    {
        return new(Number(ordinal), Number(ordinal + 1), Number(ordinal + 2), Number(ordinal + 3));

        long? Number(int column) => row.IsDBNull(column) ? null : row.GetInt64(column);
    }
}
