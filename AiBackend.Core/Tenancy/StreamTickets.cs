using System.Security.Cryptography;
using System.Text;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Tenancy;

/// <summary>A ticket that was just made: the only time that it is shown.</summary>
/// <param name="Text">What its reader sends.</param>
/// <param name="ExpiresAt">From then on it opens nothing.</param>
public sealed record StreamTicket(string Text, DateTimeOffset ExpiresAt);

/// <summary>Tickets for browsers, whose event sources send no headers: an address may end up in logs, so it carries nothing that is worth anything there.</summary>
/// <remarks>A ticket opens the events of one job, once, within a minute and from one place, and never more than its key may. It is a row; using it deletes it.</remarks>
public sealed class StreamTickets(
    [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database,
    ApiKeyStore keys,
    IOptions<TenancyOptions> options
)
{
    /// <summary>Every ticket begins like this.</summary>
    public const string Prefix = "aibr_";

    // Whoever asks for many clears away those that nobody used.
    private const string AddSql = """
        WITH gone AS (
            DELETE FROM stream_tickets WHERE hash IN (
                SELECT hash FROM stream_tickets WHERE expires_at < now() ORDER BY expires_at LIMIT 20 FOR UPDATE SKIP LOCKED)
        )
        INSERT INTO stream_tickets (hash, tenant_id, job_id, key_id, place, expires_at)
        VALUES (@hash, @tenant_id, @job_id, @key_id, @place, now() + interval '60 seconds')
        RETURNING expires_at
        """;

    // One statement finds and deletes it: of two who come with the same one, one is let in. Whoever comes with it for something else, or
    // from elsewhere, does not use it up.
    private const string UseSql = """
        DELETE FROM stream_tickets WHERE hash IN (@hash, @other) AND job_id = @job_id AND place = @place AND expires_at > now()
        RETURNING tenant_id, key_id
        """;

    private readonly byte[] _pepper = options.Value.PepperBytes;
    private readonly byte[]? _otherPepper = options.Value.OtherPepperBytes;

    /// <param name="caller">Whose key asks.</param>
    /// <param name="jobId">The job, which must be the caller's.</param>
    /// <param name="place">Where it is to be used from.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<StreamTicket> AddAsync(Caller caller, Guid jobId, string place, CancellationToken cancellationToken)
    {
        var text = SecretText.Create(Prefix);
        await using var command = database.CreateCommand(AddSql);
        command.Parameters.AddWithValue("hash", HashOf(text, _pepper));
        command.Parameters.AddWithValue("tenant_id", caller.TenantId);
        command.Parameters.AddWithValue("job_id", jobId);
        command.Parameters.AddWithValue("key_id", caller.KeyId);
        command.Parameters.AddWithValue("place", place);
        var rows = await command.ReadAllAsync(row => row.GetFieldValue<DateTimeOffset>(0), cancellationToken);
        return new StreamTicket(text, rows[0]);
    }

    /// <summary>Uses a ticket up.</summary>
    /// <param name="text">What was sent.</param>
    /// <param name="jobId">What it is sent for.</param>
    /// <param name="place">Where from.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Whom it stands for; null when it opens nothing, or its key does not count any more.</returns>
    public async Task<Caller?> UseAsync(string text, Guid jobId, string place, CancellationToken cancellationToken)
    {
        if (!SecretText.IsWhole(text, Prefix))
        {
            return null;
        }

        await using var command = database.CreateCommand(UseSql);
        command.Parameters.AddWithValue("hash", HashOf(text, _pepper));
        // A server with another pepper may have made it, while the pepper is changed.
        object other = _otherPepper is null ? DBNull.Value : HashOf(text, _otherPepper);
        command.Parameters.AddWithValue("other", NpgsqlDbType.Bytea, other);
        command.Parameters.AddWithValue("job_id", jobId);
        command.Parameters.AddWithValue("place", place);
        var found = await command.ReadAllAsync(row => (Tenant: row.GetGuid(0), Key: row.GetString(1)), cancellationToken);
        return
            found is [var ticket]
            && await keys.FindByIdAsync(ticket.Key, cancellationToken) is { } caller
            && caller.TenantId == ticket.Tenant
            ? caller
            : null;
    }

    private static byte[] HashOf(string text, byte[] pepper) => HMACSHA256.HashData(pepper, Encoding.ASCII.GetBytes(text));
}
