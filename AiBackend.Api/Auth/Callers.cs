using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;

namespace AiBackend.Api.Auth;

/// <summary>Finds who is behind what a request carries: an API key, or the token of a session.</summary>
internal sealed class Callers(ApiKeyStore keys, SessionStore sessions)
{
    /// <summary>Whether a text has the shape of either, so that it takes the database to know more.</summary>
    public static bool IsWhole(string text) => SessionStore.IsToken(text) || ApiKey.TryParse(text) is not null;

    /// <inheritdoc cref="ApiKeyStore.IsKnown"/>
    public bool IsKnown(string text) => IsSession(text) ? sessions.IsKnown(text) : keys.IsKnown(text);

    /// <inheritdoc cref="ApiKeyStore.FindCallerAsync"/>
    public ValueTask<Caller?> FindAsync(string text, CancellationToken cancellationToken) =>
        IsSession(text) ? sessions.FindCallerAsync(text, cancellationToken) : keys.FindCallerAsync(text, cancellationToken);

    /// <summary>The same for a request that names its tenant: what was known a moment ago does not decide against it.</summary>
    public async ValueTask<Caller?> FindAsync(string text, string? tenant, CancellationToken cancellationToken)
    {
        var caller = await FindAsync(text, cancellationToken);
        return tenant is null || caller?.UserId is null || caller.Tenant == tenant
            ? caller
            : await sessions.FindNowAsync(text, cancellationToken);
    }

    private static bool IsSession(string text) => text.StartsWith(SessionStore.Prefix, StringComparison.Ordinal);
}
