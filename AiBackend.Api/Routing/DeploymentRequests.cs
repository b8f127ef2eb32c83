using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Routing;
using AiBackend.Core.Providers;
using AiBackend.Core.Routing;

namespace AiBackend.Api.Routing;

/// <summary><c>/api/v1/deployments</c>: models of the configured providers, and what holds for calls of them.</summary>
internal sealed class DeploymentRequests(
    RoutingStore store,
    RoutingRules rules,
    VersionedChange change,
    ProviderCatalog catalog,
    DeploymentViews views
)
{
    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var list = new DeploymentList(await views.ListAsync(context.RequestAborted));
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.DeploymentList);
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

        var (provider, model) = Of(context);
        if (all is not null)
        {
            var list = new DeploymentList(await views.VersionsAsync(provider, model, context.RequestAborted));
            await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.DeploymentList);
        }
        else if (await views.FindAsync(provider, model, context.RequestAborted) is { } deployment)
        {
            VersionMatch.Tell(context.Response, deployment.Version);
            await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, deployment, WireJson.Default.Deployment);
        }
        else
        {
            await context.RefuseAsync(Unknown(provider, model));
        }
    }

    public async Task PutAsync(HttpContext context)
    {
        var (provider, model) = Of(context);
        int? expected = null;
        var refusal =
            QueryParameters.CheckNames(context.Request)
            ?? rules.CheckDeployment(provider, model)
            ?? VersionMatch.TryRead(context.Request, out expected);
        if (refusal is null)
        {
            (refusal, var request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.DeploymentRequest);
            refusal ??= RoutingRules.Check(request) ?? await AddAsync(context, provider, model, request, expected);
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var (provider, model) = Of(context);
        int? expected = null;
        var refusal =
            QueryParameters.CheckNames(context.Request)
            ?? VersionMatch.TryRead(context.Request, out expected)
            ?? await RefuseUsedAsync(provider, model, context.RequestAborted);
        refusal ??= await change.EndAsync(
            context,
            RoutingKind.Deployment,
            RoutingDefinitions.NameOf(provider, model),
            Words(provider, model),
            expected,
            Unknown(provider, model)
        );
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    /// <returns>Why nothing was changed, or null when the answer has been sent.</returns>
    private async Task<Refusal?> AddAsync(HttpContext context, string provider, string model, DeploymentRequest request, int? expected)
    {
        var name = RoutingDefinitions.NameOf(provider, model);
        var json = JsonSerializer.Serialize(request, WireJson.Default.DeploymentRequest);
        var (refusal, added) = await change.SetAsync(context, RoutingKind.Deployment, name, Words(provider, model), json, expected);
        if (added is null)
        {
            return refusal;
        }

        var status = added.Version == 1 ? StatusCodes.Status201Created : StatusCodes.Status200OK;
        if (await views.FindAsync(provider, model, context.RequestAborted) is not { } shown)
        {
            return ProblemTypes.StorageUnavailable.With(
                "The change is stored, but the database did not answer when it was read back. Read it again."
            );
        }

        await JsonAnswer.WriteAsync(context, status, shown, WireJson.Default.Deployment);
        return null;
    }

    /// <summary>A model that only the API made is gone with it: a route must not be left without its target.</summary>
    private async Task<Refusal?> RefuseUsedAsync(string provider, string model, CancellationToken cancellationToken)
    {
        if (catalog.IsConfigured(provider, model))
        {
            return null;
        }

        var routes = (await store.LatestAsync(cancellationToken))
            .Where(version => version is { Kind: RoutingKind.Route, Body: not null })
            .Where(version =>
                RoutingDefinitions.ReadRoute(version.Body!).Targets!.Any(target => target.Provider == provider && target.Model == model)
            )
            .Select(version => version.Name)
            .ToList();
        return routes.Count == 0
            ? null
            : ProblemTypes.DeploymentInUse.With(
                $"The deployment {Quoted.Of($"{provider}/{model}")} is a target of the routes {string.Join(", ", routes)}. Take it out of them first."
            );
    }

    private Refusal Unknown(string provider, string model) =>
        ProblemTypes.DeploymentNotFound.With(
            $"No deployment {Quoted.Of($"{provider}/{model}")} was set over the API. Known deployments: {string.Join(", ", catalog.Deployments.Select(each => each.FullName))}. PUT makes one."
        );

    private static string Words(string provider, string model) => $"The deployment {Quoted.Of(RoutingDefinitions.NameOf(provider, model))}";

    private static (string Provider, string Model) Of(HttpContext context) =>
        ((string)context.Request.RouteValues["provider"]!, (string?)context.Request.RouteValues["model"] ?? "");
}
