using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Tenancy;

namespace AiBackend.Api.Auth;

/// <summary>
/// The tenant that a request says it is meant for. A session is moved to another tenant as a whole, and whoever shows a page of the one
/// before must not write to the new one unawares.
/// </summary>
internal static class MeantTenant
{
    /// <returns>Its slug; null when the request does not say.</returns>
    public static string? Of(HttpRequest request) =>
        request.Headers.TryGetValue(RequestHeaders.Tenant, out var slug) ? slug.ToString() : null;

    /// <summary>Comes after the caller is known, and before it is asked what that one may do there.</summary>
    public static Task CheckAsync(HttpContext context, RequestDelegate next) =>
        context.User.Identity is CallerIdentity { Caller: { } caller } && Of(context.Request) is { } slug && slug != caller.Tenant
            ? context.RefuseAsync(
                ProblemTypes.OtherTenant.With(
                    caller.UserId is null
                        ? $"{RequestHeaders.Tenant} says {Quoted.Of(slug)}, but the key {caller.KeyId} is of {Quoted.Of(caller.Tenant)}. Nothing was done. Use a key of the tenant that is meant, or leave the header out."
                        : $"{RequestHeaders.Tenant} says {Quoted.Of(slug)}, but the session was moved and works in {Quoted.Of(caller.Tenant)} now. Nothing was done. Ask GET /api/v1/sessions/current where it works, and decide anew, or move it back with PATCH."
                )
            )
            : next(context);
}
