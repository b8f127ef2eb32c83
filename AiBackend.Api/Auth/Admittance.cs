using System.Net;
using AiBackend.Core.Tenancy;
using Microsoft.AspNetCore.Authorization;

namespace AiBackend.Api.Auth;

/// <summary>With what a request was let in: what has to hold still when it has lasted.</summary>
/// <param name="Key">The key or token.</param>
/// <param name="TenantId">The tenant that it stood for.</param>
/// <param name="Address">Where the request came from.</param>
/// <param name="Needs">The policies of its endpoint.</param>
internal readonly record struct Admittance(string Key, Guid TenantId, IPAddress? Address, IReadOnlyList<IAuthorizeData> Needs)
{
    /// <returns>Null where no key decides: work without one, and endpoints that are open to anybody, whatever key is carried along.</returns>
    public static Admittance? Of(HttpContext context) =>
        context.User.Identity is CallerIdentity { Key: { } key, Caller.TenantId: var tenantId }
        && context.GetEndpoint()?.Metadata is { } metadata
        && metadata.GetMetadata<IAllowAnonymous>() is null
            ? new Admittance(key, tenantId, context.Connection.RemoteIpAddress, metadata.GetOrderedMetadata<IAuthorizeData>())
            : null;

    /// <summary>Whether it would be let in again.</summary>
    /// <param name="now">Whom the key stands for now; null when it is over.</param>
    public bool Holds(Caller? now)
    {
        if (now is null || now.TenantId != TenantId || !now.MayComeFrom(Address))
        {
            return false;
        }

        foreach (var need in Needs)
        {
            if (!now.Meets(need.Policy))
            {
                return false;
            }
        }

        return true;
    }
}
