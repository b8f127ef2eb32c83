using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;

namespace AiBackend.Api.Auth;

/// <summary>Finds who is behind what a request carries: an API key, or the token of a session.</summary>
internal sealed class Callers(ApiKeyStore keys, SessionStore sessions, IHostEnvironment environment)
{
    /// <summary>Whether a text has the shape of either, so that it takes the database to know more.</summary>
    public static bool IsWhole(string text) => SessionStore.IsToken(text) || ApiKey.TryParse(text) is not null;

    /// <inheritdoc cref="ApiKeyStore.IsKnown"/>
    public bool IsKnown(string text) => IsSession(text) ? sessions.IsKnown(text) : Counts(text) && keys.IsKnown(text);

    // Only here and in this process: no header can say it, because keys and tokens have no blank.
    private const string TicketPrefix = "ticket of ";

    /// <summary>What stands in place of a key where a ticket of it let the request in.</summary>
    public static string NameOfTicket(string keyId) => TicketPrefix + keyId;

    /// <summary>What is left of a key for the reader whom it gave a ticket: to read, from where the ticket is for.</summary>
    public static Caller ForTicket(Caller caller) =>
        caller with
        {
            Scopes = caller.Has(Policies.ReadJobs) ? [Policies.ReadJobs] : [],
            AllowedNetworks = null,
        };

    /// <summary>Who is behind what a request was let in with, now.</summary>
    public async ValueTask<Caller?> FindAgainAsync(string text, CancellationToken cancellationToken) =>
        !text.StartsWith(TicketPrefix, StringComparison.Ordinal) ? await FindAsync(text, cancellationToken)
        : await keys.FindByIdAsync(text[TicketPrefix.Length..], cancellationToken) is { } caller ? ForTicket(caller)
        : null;

    /// <inheritdoc cref="ApiKeyStore.FindCallerAsync"/>
    public ValueTask<Caller?> FindAsync(string text, CancellationToken cancellationToken) =>
        IsSession(text) ? sessions.FindCallerAsync(text, cancellationToken)
        : Counts(text) ? keys.FindCallerAsync(text, cancellationToken)
        : ValueTask.FromResult<Caller?>(null);

    /// <summary>The same for a request that names its tenant: what was known a moment ago does not decide against it.</summary>
    public async ValueTask<Caller?> FindAsync(string text, string? tenant, CancellationToken cancellationToken)
    {
        var caller = await FindAsync(text, cancellationToken);
        return tenant is null || caller?.UserId is null || caller.Tenant == tenant
            ? caller
            : await sessions.FindNowAsync(text, cancellationToken);
    }

    /// <summary>A key that lies in tests and on desks opens nothing that is real.</summary>
    private bool Counts(string text) => !(environment.IsProduction() && ApiKey.IsForTests(text));

    private static bool IsSession(string text) => text.StartsWith(SessionStore.Prefix, StringComparison.Ordinal);
}
