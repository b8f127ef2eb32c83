using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Privacy;

/// <summary>The tenant named in an address, for who may have all of it.</summary>
internal sealed class TenantOfAddress(TenantAdministration tenants)
{
    /// <summary>A key's own tenant; for who signed in, those of the organisation; for operators, every one.</summary>
    /// <returns>Why there is none for this caller, or the tenant.</returns>
    public async Task<(Refusal? Refusal, TenantRecord? Tenant)> FindAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        var slug = SlugOf(context);
        var found = (
            await tenants.ListAsync(caller.IsOperator() ? null : caller.OrganisationId, slug, context.RequestAborted)
        ).SingleOrDefault();
        return found is null ? (Unknown(slug), null)
            : caller.IsOperator() || found.Id == caller.TenantId || (caller.UserId is not null && !caller.IsBesideOperators())
                ? (null, found)
            : (
                ProblemTypes.MissingScope.With(
                    $"The key {caller.KeyId} is of one tenant, and {Quoted.Of(slug)} is another. Sign in as an administrator of the organisation."
                ),
                null
            );
    }

    public static string SlugOf(HttpContext context) => (string)context.Request.RouteValues["slug"]!;

    public static Refusal Unknown(string slug) =>
        ProblemTypes.TenantNotFound.With($"There is no tenant {Quoted.Of(slug)}. GET /api/v1/tenants lists them.");
}
