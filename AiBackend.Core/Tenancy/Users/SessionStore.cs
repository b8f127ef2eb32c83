using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Tenancy.Users;

/// <summary>A session that was just begun.</summary>
/// <param name="Token">What its holder sends. Shown once.</param>
/// <param name="User">Who signed in.</param>
public sealed record NewSession(string Token, UserRecord User);

/// <summary>Sessions of people: begun by a password, ended by signing out, by 8 hours without use, after 24 hours, or with the user's rights.</summary>
public sealed class SessionStore(
    [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database,
    IOptions<TenancyOptions> options,
    TimeProvider clock
)
{
    /// <summary>Every session's token begins like this.</summary>
    public const string Prefix = "aibs_";

    // As for keys: over within 5 s everywhere.
    private static readonly TimeSpan CacheTime = TimeSpan.FromSeconds(4);
    private const int MaxCached = 10_000;

    private const string Alive = "s.seen_at > now() - interval '8 hours' AND s.created_at > now() - interval '24 hours'";

    private const string PasswordSql = "SELECT id, password FROM users WHERE email = @email AND disabled_at IS NULL";

    // Only with the password that was compared: another one ends sessions, also this. The organisation's first project that is not disabled; who is in none signs in to nothing.
    private const string BeginSql = """
        WITH u AS (
            UPDATE users SET last_sign_in_at = now() WHERE id = @user_id AND disabled_at IS NULL AND password = @stored RETURNING *
        ), gone AS (
            DELETE FROM sessions s WHERE s.user_id = @user_id AND s.created_at < now() - interval '24 hours'
        ), s AS (
            INSERT INTO sessions (hash, user_id, tenant_id, address)
            SELECT @hash, u.id, t.id, @address
              FROM u CROSS JOIN LATERAL (SELECT id FROM tenants WHERE organisation_id = u.organisation_id AND disabled_at IS NULL
                                          ORDER BY created_at, id LIMIT 1) t
            RETURNING user_id
        )
        SELECT u.id, u.organisation_id, o.slug, u.email, u.name, u.role, u.created_at, u.disabled_at, u.last_sign_in_at
          FROM u JOIN s ON s.user_id = u.id JOIN organisations o ON o.id = u.organisation_id
        """;

    private const string FindSql = $"""
        SELECT s.tenant_id, u.id, u.role, u.organisation_id, t.tier, s.seen_at < now() - interval '5 minutes', t.slug, s.hash = @hash
          FROM sessions s JOIN users u ON u.id = s.user_id JOIN tenants t ON t.id = s.tenant_id
         WHERE s.hash IN (@hash, @other) AND {Alive} AND u.disabled_at IS NULL AND t.disabled_at IS NULL AND t.organisation_id = u.organisation_id
        """;

    private const string RehashSql = "UPDATE sessions SET hash = @hash WHERE hash = @other";

    private const string SeenSql = $"UPDATE sessions s SET seen_at = now() WHERE hash IN (@hash, @other) AND {Alive}";

    private const string EndSql = "DELETE FROM sessions WHERE hash = @hash OR hash = @other";

    // A project of the user's own organisation.
    private const string MoveSql = $"""
        UPDATE sessions s SET tenant_id = t.id
          FROM tenants t, users u
         WHERE (s.hash = @hash OR s.hash = @other) AND u.id = s.user_id AND t.slug = @slug AND t.organisation_id = u.organisation_id AND t.disabled_at IS NULL AND {Alive}
        """;

    private static readonly Guid OperatorsOrganisation = ApiKeyStore.DefaultTenant;

    private readonly byte[] _pepper = options.Value.PepperBytes;
    private readonly byte[]? _otherPepper = options.Value.OtherPepperBytes;
    private readonly ConcurrentDictionary<string, (Caller Caller, long At)> _cache = new(StringComparer.Ordinal);
    private long _changes;

    /// <summary>Whether a text may be a session's token at all.</summary>
    public static bool IsToken(string text) => SecretText.IsWhole(text, Prefix);

    /// <summary>Whether the text was a valid token a moment ago.</summary>
    public bool IsKnown(string text) => _cache.ContainsKey(text);

    /// <summary>Begins a session.</summary>
    /// <param name="email">As it was typed.</param>
    /// <param name="password">As it was typed.</param>
    /// <param name="address">Where it came from.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null when they do not belong together, or the user is disabled; which is nobody's business.</returns>
    public async Task<NewSession?> BeginAsync(string email, string password, string? address, CancellationToken cancellationToken)
    {
        await using var find = database.CreateCommand(PasswordSql);
        find.Parameters.AddWithValue("email", email.Trim().ToLowerInvariant());
        var found = await find.ReadAllAsync(row => (Id: row.GetGuid(0), Password: row.GetString(1)), cancellationToken);
        var stored = found is [var (_, hash)] ? hash : null;
        if (!PasswordHash.Matches(password, stored))
        {
            return null;
        }

        var token = SecretText.Create(Prefix);
        if (AuditActor.Current is { } actor)
        {
            AuditActor.Current = actor with { Actor = UserRecord.ActorOf(found[0].Id) };
        }

        await using var batch = database.CreateAudited(BeginSql, out var command);
        command.Parameters.AddWithValue("user_id", found[0].Id);
        command.Parameters.AddWithValue("stored", stored!);
        command.Parameters.AddWithValue("hash", HashOf(token));
        command.Parameters.AddWithValue("address", NpgsqlDbType.Text, (object?)address ?? DBNull.Value);
        var users = await batch.ReadAllAsync(UserStore.Read, cancellationToken);
        return users is [var user] ? new NewSession(token, user) : null;
    }

    /// <returns>The caller, or null when the session is unknown or over.</returns>
    public ValueTask<Caller?> FindCallerAsync(string token, CancellationToken cancellationToken) =>
        _cache.TryGetValue(token, out var cached) && clock.GetElapsedTime(cached.At) < CacheTime
            ? ValueTask.FromResult<Caller?>(cached.Caller)
            : FindNowAsync(token, cancellationToken);

    /// <summary>The same, whatever was true a moment ago: another server may have moved the session since.</summary>
    public async ValueTask<Caller?> FindNowAsync(string token, CancellationToken cancellationToken)
    {
        if (!IsToken(token))
        {
            return null;
        }

        var (asked, changes) = (clock.GetTimestamp(), Volatile.Read(ref _changes));
        var found = await ReadAsync(token, cancellationToken);
        if (found is not [var caller])
        {
            _cache.TryRemove(token, out _);
            return null;
        }

        if (_cache.Count >= MaxCached)
        {
            _cache.Clear();
        }

        _cache[token] = (caller, asked);
        if (Volatile.Read(ref _changes) != changes)
        {
            // Perhaps this one was moved or ended while Postgres was asked.
            _cache.TryRemove(token, out _);
        }

        return caller;
    }

    /// <summary>Ends a session.</summary>
    public async Task EndAsync(string token, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited(EndSql, out var command);
        command.Parameters.AddWithValue("hash", HashOf(token));
        AddOther(command.Parameters, token);
        await batch.ExecuteNonQueryAsync(cancellationToken);
        Forget(token);
    }

    /// <summary>Moves a session to another project of the user's organisation.</summary>
    /// <returns>False when the organisation has no such project.</returns>
    public async Task<bool> MoveAsync(string token, string slug, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(MoveSql);
        command.Parameters.AddWithValue("hash", HashOf(token));
        AddOther(command.Parameters, token);
        command.Parameters.AddWithValue("slug", slug);
        var moved = await command.ExecuteNonQueryAsync(cancellationToken) == 1;
        Forget(token);
        return moved;
    }

    private void Forget(string token)
    {
        // In this order: whoever asked before the change and keeps the answer after this sees that there was one.
        Interlocked.Increment(ref _changes);
        _cache.TryRemove(token, out _);
    }

    private async Task<List<Caller>> ReadAsync(string token, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(FindSql);
        command.Parameters.AddWithValue("hash", HashOf(token));
        AddOther(command.Parameters, token);
        return await command.ReadAllAsync(row => Read(row, token), cancellationToken);
    }

    // A server that has the peppers the other way round may have hashed it anew meanwhile.
    private void AddOther(NpgsqlParameterCollection parameters, string token) =>
        parameters.AddWithValue("other", NpgsqlDbType.Bytea, (object?)OtherHashOf(token) ?? DBNull.Value);

    private Caller Read(NpgsqlDataReader row, string token)
    {
        if (row.GetBoolean(5))
        {
            _ = NoteAsync(SeenSql, token);
        }

        if (!row.GetBoolean(7))
        {
            // Of two requests one does it, and neither depends on it.
            _ = NoteAsync(RehashSql, token);
        }

        var (userId, organisationId) = (row.GetGuid(1), row.GetGuid(3));
        var role = (UserRole)row.GetInt16(2);
        var scopes = UserRoles.ScopesOf(role, organisationId == OperatorsOrganisation);
        return new Caller(row.GetGuid(0), UserRecord.ActorOf(userId), scopes, row.GetString(4), null)
        {
            OrganisationId = organisationId,
            Tenant = row.GetString(6),
            UserId = userId,
            Role = role,
        };
    }

    /// <summary>Not waited for by anybody: when it fails, the next look at the session tries again.</summary>
    private async Task NoteAsync(string sql, string token)
    {
        try
        {
#pragma warning disable CA2100 // Constants of this class.
            await using var command = database.CreateCommand(sql);
#pragma warning restore CA2100
            command.Parameters.AddWithValue("hash", HashOf(token));
            AddOther(command.Parameters, token);
            // None: the limit of every statement bounds it.
            await command.ExecuteNonQueryAsync(CancellationToken.None);
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure) || failure is ObjectDisposedException)
        {
            // It is noted at the next look.
        }
    }

    /// <summary>What the database keeps of a token.</summary>
    internal byte[] HashOf(string token) => HMACSHA256.HashData(_pepper, Encoding.ASCII.GetBytes(token));

    /// <summary>What it may keep of it while the pepper is changed; null when there is no other.</summary>
    internal byte[]? OtherHashOf(string token) =>
        _otherPepper is null ? null : HMACSHA256.HashData(_otherPepper, Encoding.ASCII.GetBytes(token));
}
