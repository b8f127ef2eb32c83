using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Admission.Pace;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Operations;

/// <summary>What operators read, at a glance.</summary>
internal static class OperationsEndpoints
{
    public static void AddOperationsEndpoints(this IHostApplicationBuilder builder) =>
        builder
            .Services.AddSingleton<GetStats>()
            .AddSingleton<ListProviders>()
            .AddSingleton<EnableProvider>()
            .AddSingleton<PaceStore>()
            .AddSingleton<ListWorkers>();

    public static void MapOperations(this IEndpointRouteBuilder app)
    {
        var operations = app.MapGroup("/api/v1").WithTags("Operations");
        var services = app.ServiceProvider;

        operations
            .MapGet("/stats", services.GetRequiredService<GetStats>().HandleAsync)
            .RequireAuthorization(Policies.Operators, Policies.ReadOperations)
            .Describe(
                "GetStats",
                "Read how the system does",
                "Queue depth and age now; percentiles, outcomes, retries, tokens and cost of the jobs in the window. Over all tenants.",
                [QueryNumber("window", "Seconds to look back, 60 to 86400. Default 900.")],
                ProblemTypes.InvalidValue
            )
            .Answers<Stats>(StatusCodes.Status200OK, "The numbers.");
        operations
            .MapGet("/workers", services.GetRequiredService<ListWorkers>().HandleAsync)
            .RequireAuthorization(Policies.Operators, Policies.ReadOperations)
            .Describe("ListWorkers", "List workers", "The worker processes that were alive in the last 15 minutes.")
            .Answers<WorkerList>(StatusCodes.Status200OK, "The workers, newest heartbeat first.");
        // Whoever submits jobs has to know which models there are.
        operations
            .MapGet("/providers", services.GetRequiredService<ListProviders>().HandleAsync)
            .RequireAuthorization(Policies.AnyKey)
            .Describe("ListProviders", "List providers", "Who may be asked, in order of preference for the route `default`.")
            .Answers<ProviderList>(StatusCodes.Status200OK, "The providers.");
        operations
            .MapPost("/providers/{name}/enable", services.GetRequiredService<EnableProvider>().HandleAsync)
            .RequireAuthorization(Policies.Operators, Policies.WriteOperations)
            .Describe(
                "EnableProvider",
                "Enable a provider",
                "Lets workers ask a provider again that refused its key, without a new key: within 2 s. Changes nothing for one that did not.",
                [Path("name", "The provider's configured name.")],
                ProblemTypes.ProviderNotFound
            )
            .Answers<ProviderInfo>(StatusCodes.Status200OK, "The provider as it is now.");
    }
}
