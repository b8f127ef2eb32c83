using System.Security.Claims;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Auth;

/// <summary>The identity of a request that a valid key stands behind.</summary>
/// <param name="caller">Whom it stands for.</param>
/// <param name="key">The key or token that it carries; null for work on behalf of a key that is not there.</param>
internal sealed class CallerIdentity(Caller caller, string? key = null) : ClaimsIdentity(ApiKeyHandler.SchemeName)
{
    public Caller Caller { get; } = caller;

    /// <summary>What can be asked about again when the request has lasted.</summary>
    public string? Key { get; } = key;
}

/// <summary>Who asks.</summary>
internal static class CallerOfRequest
{
    /// <summary>The caller behind an authenticated principal.</summary>
    /// <exception cref="InvalidOperationException">The endpoint lets anonymous requests in, which is a bug of its mapping.</exception>
    public static Caller GetCaller(this ClaimsPrincipal user) =>
        (user.Identity as CallerIdentity)?.Caller ?? throw new InvalidOperationException("The request has no caller.");

    /// <summary>The tenant on whose behalf the request acts.</summary>
    public static Guid GetTenantId(this HttpContext context) => context.User.GetCaller().TenantId;
}
