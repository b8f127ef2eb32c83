using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Contracts;

namespace AiBackend.Api.Contracts;

/// <summary>The route about contracts of answers; jobs and routes carry them.</summary>
internal static class ContractEndpoints
{
    public static void AddContracts(this IHostApplicationBuilder builder) =>
        builder.Services.AddOutputContracts().AddSingleton<ContractFields>().AddSingleton<CheckContract>();

    public static void MapContracts(this IEndpointRouteBuilder app) =>
        app.MapPost("/api/v1/contracts/check", app.ServiceProvider.GetRequiredService<CheckContract>().HandleAsync)
            .WithTags("Contracts")
            .RequireAuthorization(Policies.WriteJobs)
            .Describe(
                "CheckContract",
                "Try a contract on a text",
                "Says what a job with this contract would make of an answer: the verdict, what would be mended, and the text that would be its output. Asks no model, so rules `judge` are passed over. Costs nothing and stores nothing.",
                null,
                ProblemTypes.OfBody
            )
            .Answers<ContractCheckResult>(StatusCodes.Status200OK, "The verdict.")
            .Takes<CheckContractRequest>();
}
