using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Routing;
using AiBackend.Core.Providers;
using AiBackend.Core.Routing;

namespace AiBackend.Api.Routing;

/// <summary><c>/api/v1/routes</c>: which deployments answer to a name, changed while the system runs.</summary>
internal sealed class RouteRequests(
    RoutingStore store,
    RoutingRules rules,
    VersionedChange change,
    CatalogRefresh refresh,
    ProviderCatalog catalog
)
{
    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var stored = (await store.LatestAsync(context.RequestAborted)).Where(version =>
            version is { Kind: RoutingKind.Route, Body: not null }
        );
        var routes = stored.Select(Show).ToList();
        if (!routes.Exists(route => route.Name == ProviderCatalog.DefaultRoute))
        {
            routes.Insert(0, Configured(version: 0));
        }

        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, new RouteList(routes), WireJson.Default.RouteList);
    }

    public async Task GetAsync(HttpContext context)
    {
        string? all = null;
        var refusal =
            QueryParameters.CheckNames(context.Request, "versions") ?? QueryParameters.TryReadText(context.Request, "versions", out all);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var name = NameOf(context);
        var versions = await store.VersionsAsync(RoutingKind.Route, name, context.RequestAborted);
        if (all is not null)
        {
            var list = new RouteList([.. versions.Select(Show)]);
            await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.RouteList);
        }
        else if (Latest(name, versions) is { } route)
        {
            VersionMatch.Tell(context.Response, route.Version);
            await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, route, WireJson.Default.ModelRoute);
        }
        else
        {
            await context.RefuseAsync(Unknown(name));
        }
    }

    public async Task PutAsync(HttpContext context)
    {
        var name = NameOf(context);
        int? expected = null;
        var refusal =
            QueryParameters.CheckNames(context.Request)
            ?? ResourceNames.Check("route", name)
            ?? VersionMatch.TryRead(context.Request, out expected);
        if (refusal is null)
        {
            // What was just added on another node may be a target.
            await refresh.RefreshAsync(context.RequestAborted);
            (refusal, var request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.RouteRequest);
            refusal ??= rules.Check(name, request) ?? await AddAsync(context, name, request, expected);
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var name = NameOf(context);
        int? expected = null;
        var refusal = QueryParameters.CheckNames(context.Request) ?? VersionMatch.TryRead(context.Request, out expected);
        refusal ??= await change.EndAsync(context, RoutingKind.Route, name, Words(name), expected, Unknown(name));
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    /// <returns>Why nothing was changed, or null when the answer has been sent.</returns>
    private async Task<Refusal?> AddAsync(HttpContext context, string name, RouteRequest request, int? expected)
    {
        var json = JsonSerializer.Serialize(request, WireJson.Default.RouteRequest);
        var (refusal, added) = await change.SetAsync(context, RoutingKind.Route, name, Words(name), json, expected);
        if (added is not null)
        {
            var status = added.Version == 1 ? StatusCodes.Status201Created : StatusCodes.Status200OK;
            await JsonAnswer.WriteAsync(context, status, Show(added), WireJson.Default.ModelRoute);
        }

        return refusal;
    }

    private ModelRoute? Latest(string name, IReadOnlyList<RoutingVersion> versions) =>
        versions is [{ Body: not null } latest, ..] ? Show(latest)
        : name == ProviderCatalog.DefaultRoute ? Configured(versions.Count > 0 ? versions[0].Version : 0)
        : null;

    /// <summary>The route that every installation has: each provider's own model.</summary>
    private ModelRoute Configured(int version) =>
        new(
            ProviderCatalog.DefaultRoute,
            version,
            "configuration",
            [.. catalog.Providers.Select(provider => new RouteTarget { Provider = provider.Name, Model = provider.Model })]
        );

    private static ModelRoute Show(RoutingVersion version)
    {
        var request = version.Body is null ? null : RoutingDefinitions.ReadRoute(version.Body);
        return new ModelRoute(version.Name, version.Version, "api", request?.Targets ?? [])
        {
            Description = request?.Description,
            Order = request?.Order ?? RouteOrders.Listed,
            Requires = request?.Requires ?? [],
            Stronger = request?.Stronger,
            Contract = request?.Contract,
            CreatedAt = version.CreatedAt,
            CreatedBy = version.CreatedBy,
            Deleted = version.Body is null,
        };
    }

    private Refusal Unknown(string name) =>
        ProblemTypes.RouteNotFound.With(
            $"No route {Quoted.Of(name)} was set over the API. Known routes: {string.Join(", ", catalog.RouteNames)}. PUT makes one."
        );

    private static string Words(string name) => $"The route {Quoted.Of(name)}";

    private static string NameOf(HttpContext context) => (string)context.Request.RouteValues["name"]!;
}
