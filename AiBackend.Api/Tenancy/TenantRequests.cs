using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Tenancy;

/// <summary><c>/api/v1/tenants</c> and <c>/api/v1/organisations</c>. Operators see all; others what belongs to their organisation.</summary>
internal sealed class TenantRequests(TenantAdministration tenants, TenantRules rules, TimeProvider clock)
{
    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var found = await tenants.ListAsync(SeenBy(context), null, context.RequestAborted);
        var list = new TenantList([.. found.Select(Show)]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.TenantList);
    }

    public async Task GetAsync(HttpContext context)
    {
        var (refusal, tenant) = await FindAsync(context);
        await AnswerAsync(context, StatusCodes.Status200OK, refusal, tenant);
    }

    public async Task PostAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.CreateTenantRequest);
        refusal ??= QueryParameters.CheckNames(context.Request);
        OrganisationRecord? organisation = null;
        refusal ??= RefuseBesideOperators(caller);
        if (refusal is null)
        {
            (refusal, organisation) = await OrganisationAsync(context, request.Organisation);
        }

        TenantRecord wanted = null!;
        refusal ??= rules.CheckNew(request, caller, organisation!, out wanted);
        var made = refusal is null ? await tenants.AddAsync(wanted, context.RequestAborted) : null;
        if (made is not null)
        {
            context.Response.Headers.Location = $"/api/v1/tenants/{made.Slug}";
        }

        await AnswerAsync(context, StatusCodes.Status201Created, refusal ?? (made is null ? Taken("tenant", wanted.Slug) : null), made);
    }

    public async Task PatchAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.ChangeTenantRequest);
        var (unknown, tenant) = await FindAsync(context);
        refusal ??= unknown ?? RefuseBesideOperators(context.User.GetCaller());
        TenantRecord wanted = null!;
        refusal ??= rules.CheckChange(request, context.User.GetCaller(), tenant!, clock.GetUtcNow(), out wanted);
        var now = refusal is null ? await tenants.ChangeAsync(tenant!, wanted, context.RequestAborted) : null;
        await AnswerAsync(context, StatusCodes.Status200OK, refusal ?? (now is null ? Unknown(tenant!.Slug) : null), now);
    }

    public async Task ListOrganisationsAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var found = await tenants.ListOrganisationsAsync(SeenBy(context), null, context.RequestAborted);
        var list = new OrganisationList([.. found.Select(Show)]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.OrganisationList);
    }

    public async Task PostOrganisationAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.CreateOrganisationRequest);
        refusal ??=
            QueryParameters.CheckNames(context.Request)
            ?? (
                context.User.GetCaller().IsOperator()
                    ? TenantRules.Check(request)
                    : ProblemTypes.MissingScope.With("Only a key of the operators' tenant, default, makes organisations.")
            );
        var made = refusal is null
            ? await tenants.AddOrganisationAsync(request.Slug!, request.Name ?? request.Slug!, context.RequestAborted)
            : null;
        if (made is not null)
        {
            await JsonAnswer.WriteAsync(context, StatusCodes.Status201Created, Show(made), WireJson.Default.Organisation);
            return;
        }

        await context.RefuseAsync(refusal ?? Taken("organisation", request.Slug!));
    }

    /// <summary>In the operators' organisation only they make and change tenants: another tenant's key could close its neighbours.</summary>
    private static Refusal? RefuseBesideOperators(Caller caller) =>
        caller.IsBesideOperators()
            ? ProblemTypes.MissingScope.With(
                "In the operators' organisation only a key of their tenant, default, makes and changes tenants. Use such a key."
            )
            : null;

    /// <summary>Whose tenants the caller sees; null is everybody's.</summary>
    private static Guid? SeenBy(HttpContext context) =>
        context.User.GetCaller() is var caller && caller.IsOperator() ? null : caller.OrganisationId;

    private async Task<(Refusal? Refusal, OrganisationRecord? Organisation)> OrganisationAsync(HttpContext context, string? slug)
    {
        var caller = context.User.GetCaller();
        if (slug is null && caller.IsOperator())
        {
            // Not their own by default: whoever is in it is next to what makes operators.
            return (
                ProblemTypes.InvalidValue.At(
                    "organisation",
                    "organisation is missing; name the one that the tenant belongs to. POST /api/v1/organisations makes one."
                ),
                null
            );
        }

        var found = slug is null
            ? await tenants.ListOrganisationsAsync(caller.OrganisationId, null, context.RequestAborted)
            : await tenants.ListOrganisationsAsync(SeenBy(context), slug, context.RequestAborted);
        return found is [var organisation]
            ? (null, organisation)
            : (ProblemTypes.InvalidValue.At("organisation", $"There is no organisation {Quoted.Of(slug ?? "")}."), null);
    }

    private async Task<(Refusal? Refusal, TenantRecord? Tenant)> FindAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            return (unknown, null);
        }

        var slug = (string)context.Request.RouteValues["slug"]!;
        var found = (await tenants.ListAsync(SeenBy(context), slug, context.RequestAborted)).SingleOrDefault();
        return (found is null ? Unknown(slug) : null, found);
    }

    private static Refusal Unknown(string slug) =>
        ProblemTypes.TenantNotFound.With($"There is no tenant {Quoted.Of(slug)}. GET /api/v1/tenants lists them.");

    private static Refusal Taken(string what, string slug) =>
        ProblemTypes.SlugTaken.With($"There is already the {what} {Quoted.Of(slug)}. Choose another slug.");

    private static Task AnswerAsync(HttpContext context, int status, Refusal? refusal, TenantRecord? tenant) =>
        refusal is null ? JsonAnswer.WriteAsync(context, status, Show(tenant!), WireJson.Default.Tenant) : context.RefuseAsync(refusal);

    private static Organisation Show(OrganisationRecord organisation) =>
        new(organisation.Id, organisation.Slug, organisation.Name, organisation.CreatedAt, organisation.Tenants);

    private static Tenant Show(TenantRecord tenant) =>
        new()
        {
            Id = tenant.Id,
            Slug = tenant.Slug,
            Name = tenant.Name,
            Organisation = tenant.Organisation,
            Tier = tenant.Tier,
            MaxQueued = tenant.MaxQueued,
            MaxRunning = tenant.MaxRunning,
            ReservedSlots = tenant.ReservedSlots,
            ContentDays = tenant.ContentDays,
            CreatedAt = tenant.CreatedAt,
            DisabledAt = tenant.DisabledAt,
        };
}
