using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Tenancy;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Tenancy;

/// <summary>Every route about organisations, tenants and keys, at a glance.</summary>
internal static class TenancyEndpoints
{
    private static readonly DescribedParameter Owner = Query(
        TenantOf.Parameter,
        "For operators: another tenant, by its name. Default the key's own."
    );

    private static readonly DescribedParameter[] KeyPath = [Path("id", "The key's public id."), Owner];
    private static readonly DescribedParameter[] TenantPath = [Path("slug", "The tenant.")];

    public static void AddTenancyEndpoints(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<TenantOf>().AddSingleton<TenantRules>().AddSingleton<TenantRequests>().AddSingleton<KeyRequests>();

    public static void MapTenancy(this IEndpointRouteBuilder app)
    {
        var tenants = app.ServiceProvider.GetRequiredService<TenantRequests>();
        app.MapTenants(tenants);
        app.MapOrganisations(tenants);
        app.MapKeys(app.ServiceProvider.GetRequiredService<KeyRequests>());
    }

    private static void MapTenants(this IEndpointRouteBuilder app, TenantRequests tenants)
    {
        var group = app.MapGroup("/api/v1/tenants").WithTags("Tenants");
        group
            .MapGet("", tenants.ListAsync)
            .RequireAuthorization(Policies.ReadTenants)
            .Describe("ListTenants", "List tenants", "Those of your organisation; operators see all.")
            .Answers<TenantList>(StatusCodes.Status200OK, "The tenants.");
        group
            .MapPost("", tenants.PostAsync)
            .RequireAuthorization(Policies.WriteTenants)
            .Describe(
                "AddTenant",
                "Add a tenant",
                "A project of your organisation, with keys, jobs and money of its own.",
                null,
                [.. ProblemTypes.OfBody, ProblemTypes.SlugTaken]
            )
            .Answers<Tenant>(StatusCodes.Status201Created, "The tenant.")
            .Takes<CreateTenantRequest>();
        group
            .MapGet("/{slug}", tenants.GetAsync)
            .RequireAuthorization(Policies.ReadTenants)
            .Describe("GetTenant", "Read a tenant", "One tenant.", TenantPath, ProblemTypes.TenantNotFound)
            .Answers<Tenant>(StatusCodes.Status200OK, "The tenant.");
        group
            .MapPatch("/{slug}", tenants.PatchAsync)
            .RequireAuthorization(Policies.WriteTenants)
            .Describe(
                "ChangeTenant",
                "Change a tenant",
                "Its name; for operators also tier and limit. A disabled tenant's keys are refused within 5 s; what was submitted is still done.",
                TenantPath,
                [.. ProblemTypes.OfBody, ProblemTypes.TenantNotFound]
            )
            .Answers<Tenant>(StatusCodes.Status200OK, "The tenant.")
            .Takes<ChangeTenantRequest>();
    }

    private static void MapOrganisations(this IEndpointRouteBuilder app, TenantRequests tenants)
    {
        var group = app.MapGroup("/api/v1/organisations").WithTags("Tenants");
        group
            .MapGet("", tenants.ListOrganisationsAsync)
            .RequireAuthorization(Policies.ReadTenants)
            .Describe("ListOrganisations", "List organisations", "Your own; operators see all.")
            .Answers<OrganisationList>(StatusCodes.Status200OK, "The organisations.");
        group
            .MapPost("", tenants.PostOrganisationAsync)
            .RequireAuthorization(Policies.WriteTenants)
            .Describe("AddOrganisation", "Add an organisation", "For operators.", null, [.. ProblemTypes.OfBody, ProblemTypes.SlugTaken])
            .Answers<Organisation>(StatusCodes.Status201Created, "The organisation.")
            .Takes<CreateOrganisationRequest>();
    }

    private static void MapKeys(this IEndpointRouteBuilder app, KeyRequests keys)
    {
        var group = app.MapGroup("/api/v1/keys").WithTags("Keys");
        group
            .MapGet("", keys.ListAsync)
            .RequireAuthorization(Policies.ReadKeys)
            .Describe("ListKeys", "List API keys", "Without their secrets.", [Owner], ProblemTypes.InvalidValue)
            .Answers<KeyList>(StatusCodes.Status200OK, "The keys.");
        group
            .MapPost("", keys.PostAsync)
            .RequireAuthorization(Policies.WriteKeys)
            .Describe(
                "AddKey",
                "Make an API key",
                "The answer has the key in `value`, this once. A key gives nothing that it does not have: scopes, models, networks, priority, limits and life of the new one are within those of yours.",
                [Owner],
                [.. ProblemTypes.OfBody, ProblemTypes.BeyondOwnKey, ProblemTypes.TooManyKeys]
            )
            .Answers<NewKey>(StatusCodes.Status201Created, "The key, with its secret.")
            .Takes<CreateKeyRequest>();
        group
            .MapGet("/{id}", keys.GetAsync)
            .RequireAuthorization(Policies.ReadKeys)
            .Describe("GetKey", "Read an API key", "Without its secret.", KeyPath, ProblemTypes.InvalidValue, ProblemTypes.KeyNotFound)
            .Answers<Key>(StatusCodes.Status200OK, "The key.");
        group
            .MapPatch("/{id}", keys.PatchAsync)
            .RequireAuthorization(Policies.WriteKeys)
            .Describe(
                "ChangeKey",
                "Change an API key",
                "Its name, bounds and limits. Servers notice within 5 s.",
                KeyPath,
                [.. ProblemTypes.OfBody, ProblemTypes.BeyondOwnKey, ProblemTypes.KeyNotFound, ProblemTypes.KeyEnded]
            )
            .Answers<Key>(StatusCodes.Status200OK, "The key.")
            .Takes<ChangeKeyRequest>();
        group.MapKeyEnds(keys);
    }

    private static void MapKeyEnds(this RouteGroupBuilder group, KeyRequests keys)
    {
        group
            .MapPost("/{id}/roll", keys.RollAsync)
            .RequireAuthorization(Policies.WriteKeys)
            .Describe(
                "RollKey",
                "Replace an API key",
                "Makes one that may do the same, and lets the old one end after an overlap, a day by default.",
                KeyPath,
                [
                    .. ProblemTypes.OfBody,
                    ProblemTypes.BeyondOwnKey,
                    ProblemTypes.KeyNotFound,
                    ProblemTypes.KeyEnded,
                    ProblemTypes.TooManyKeys,
                ]
            )
            .Answers<NewKey>(StatusCodes.Status201Created, "The new key, with its secret.")
            .Takes<RollKeyRequest>(optional: true);
        group
            .MapDelete("/{id}", keys.DeleteAsync)
            .RequireAuthorization(Policies.WriteKeys)
            .Describe(
                "RevokeKey",
                "Revoke an API key",
                "Refused everywhere within 5 s, open streams within 10 s; its jobs that wait do not start any more.",
                KeyPath,
                ProblemTypes.InvalidValue,
                ProblemTypes.KeyNotFound,
                ProblemTypes.KeyEnded
            )
            .Means(StatusCodes.Status204NoContent, "It is revoked.");
    }
}
