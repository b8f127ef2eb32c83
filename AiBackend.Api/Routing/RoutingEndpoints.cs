using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Routing;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Routing;

/// <summary>Who answers to which name, at a glance.</summary>
internal static class RoutingEndpoints
{
    private static readonly DescribedParameter[] DeploymentPath =
    [
        Path("provider", "The provider's configured name."),
        Path("model", "The provider's name of the model; slashes are allowed."),
    ];

    private static readonly DescribedParameter Versions = Query("versions", "`true` for every version, newest first, at most 100.");
    private static readonly DescribedParameter IfMatch = Header(
        "If-Match",
        "The `ETag` of the version the change was decided on; another one is refused."
    );

    public static void AddRoutingEndpoints(this IHostApplicationBuilder builder) =>
        builder
            .Services.AddSingleton<RoutingRules>()
            .AddSingleton<VersionedChange>()
            .AddSingleton<RouteRequests>()
            .AddSingleton<DeploymentViews>()
            .AddSingleton<DeploymentRequests>()
            .AddSingleton<CredentialRequests>();

    public static void MapRouting(this IEndpointRouteBuilder app)
    {
        app.MapRoutes(app.ServiceProvider.GetRequiredService<RouteRequests>());
        app.MapDeployments(app.ServiceProvider.GetRequiredService<DeploymentRequests>());
        app.MapCredentials(app.ServiceProvider.GetRequiredService<CredentialRequests>());
    }

    private static void MapRoutes(this IEndpointRouteBuilder app, RouteRequests routes)
    {
        var group = app.MapGroup("/api/v1/routes").WithTags("Routing");
        DescribedParameter[] path = [Path("name", "The route, as in `model`.")];

        // Whoever submits jobs has to know what there is to ask for.
        group
            .MapGet("", routes.ListAsync)
            .RequireAuthorization(Policies.AnyKey)
            .Describe("ListRoutes", "List routes", "The names that jobs may ask for as `model`, each with its deployments in order.")
            .Answers<RouteList>(StatusCodes.Status200OK, "The routes.");
        group
            .MapGet("/{name}", routes.GetAsync)
            .RequireAuthorization(Policies.AnyKey)
            .Describe(
                "GetRoute",
                "Read a route",
                "As it is now, with its `ETag`; or its versions.",
                [.. path, Versions],
                ProblemTypes.InvalidValue,
                ProblemTypes.RouteNotFound
            )
            .Answers<ModelRoute>(StatusCodes.Status200OK, "The route, or with `versions` a `RouteList`.");
        group
            .MapPut("/{name}", routes.PutAsync)
            .RequireAuthorization(Policies.Operators, Policies.WriteOperations)
            .Describe(
                "PutRoute",
                "Set a route",
                """
                Makes a new version of the route, which every process uses within a second; calls under way go on. Targets are tried in
                order: the first whose `when` holds, and the next ones when it fails. `default` may be set too. A route called like a
                model takes the model's place.
                """,
                [.. path, IfMatch],
                [.. ProblemTypes.OfBody, ProblemTypes.VersionMismatch]
            )
            .Answers<ModelRoute>(StatusCodes.Status201Created, "The first version of it.")
            .Answers<ModelRoute>(StatusCodes.Status200OK, "A new version of it.")
            .Takes<RouteRequest>();
        group
            .MapDelete("/{name}", routes.DeleteAsync)
            .RequireAuthorization(Policies.Operators, Policies.WriteOperations)
            .Describe(
                "DeleteRoute",
                "Remove a route",
                "Jobs that ask for it are refused from now on, and those that wait for it fail; `default` is again as configured.",
                [.. path, IfMatch],
                ProblemTypes.InvalidValue,
                ProblemTypes.RouteNotFound,
                ProblemTypes.VersionMismatch
            )
            .Means(StatusCodes.Status204NoContent, "It is gone.");
    }

    private static void MapDeployments(this IEndpointRouteBuilder app, DeploymentRequests deployments)
    {
        var group = app.MapGroup("/api/v1/deployments").WithTags("Routing");
        group
            .MapGet("", deployments.ListAsync)
            .RequireAuthorization(Policies.Operators, Policies.ReadOperations)
            .Describe("ListDeployments", "List deployments", "Every model of every provider, with its limits and time limits.")
            .Answers<DeploymentList>(StatusCodes.Status200OK, "The deployments, in the configured order of providers.");
        group
            .MapGet("/{provider}/{**model}", deployments.GetAsync)
            .RequireAuthorization(Policies.Operators, Policies.ReadOperations)
            .Describe(
                "GetDeployment",
                "Read a deployment",
                "As it is now, with its `ETag`; or its versions as they were sent.",
                [.. DeploymentPath, Versions],
                ProblemTypes.InvalidValue,
                ProblemTypes.DeploymentNotFound
            )
            .Answers<Deployment>(StatusCodes.Status200OK, "The deployment, or with `versions` a `DeploymentList`.");
        group
            .MapPut("/{provider}/{**model}", deployments.PutAsync)
            .RequireAuthorization(Policies.Operators, Policies.WriteOperations)
            .Describe(
                "PutDeployment",
                "Set a deployment",
                """
                Adds a model of a configured provider, or changes what holds for one. What is left out is as configured. Every process
                uses it within a second; calls under way go on as they began.
                """,
                [.. DeploymentPath, IfMatch],
                [.. ProblemTypes.OfBody, ProblemTypes.VersionMismatch]
            )
            .Answers<Deployment>(StatusCodes.Status201Created, "The first version of it.")
            .Answers<Deployment>(StatusCodes.Status200OK, "A new version of it.")
            .Takes<DeploymentRequest>();
        group
            .MapDelete("/{provider}/{**model}", deployments.DeleteAsync)
            .RequireAuthorization(Policies.Operators, Policies.WriteOperations)
            .Describe(
                "DeleteDeployment",
                "Remove what was set for a deployment",
                "It is again as configured, and gone when the configuration does not name it.",
                [.. DeploymentPath, IfMatch],
                ProblemTypes.InvalidValue,
                ProblemTypes.DeploymentNotFound,
                ProblemTypes.DeploymentInUse,
                ProblemTypes.VersionMismatch
            )
            .Means(StatusCodes.Status204NoContent, "It is as configured.");
    }

    private static void MapCredentials(this IEndpointRouteBuilder app, CredentialRequests credentials)
    {
        var group = app.MapGroup("/api/v1/credentials")
            .WithTags("Routing")
            .RequireAuthorization(Policies.Operators, Policies.WriteOperations);
        group
            .MapGet("", credentials.ListAsync)
            .Describe("ListCredentials", "List provider keys", "Which keys were set over the API, when and by whom. Never the keys.")
            .Answers<CredentialList>(StatusCodes.Status200OK, "By provider and model.");
        group
            .MapPut("", credentials.PutAsync)
            .Describe(
                "PutCredential",
                "Set a provider key",
                "Stores a key, encrypted, in place of the configured one. Calls that begin more than a second later use it.",
                null,
                [.. ProblemTypes.OfBody, ProblemTypes.NoCredentialSecret]
            )
            .Answers<Credential>(StatusCodes.Status200OK, "What is shown of it from now on.")
            .Takes<CredentialRequest>();
        group
            .MapDelete("", credentials.DeleteAsync)
            .Describe(
                "DeleteCredential",
                "Remove a provider key",
                "The configured key is used again, if there is one.",
                [Query("provider", "Whose key."), Query("model", "The one model it was set for; left out, the provider's.")],
                ProblemTypes.InvalidValue,
                ProblemTypes.CredentialNotFound
            )
            .Means(StatusCodes.Status204NoContent, "It is gone.");
    }
}
