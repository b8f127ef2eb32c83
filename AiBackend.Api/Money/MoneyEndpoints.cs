using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.Api.Tenancy;
using AiBackend.ApiContracts.Money;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Money;

/// <summary>Prices, budgets, and what was spent.</summary>
internal static class MoneyEndpoints
{
    private static readonly DescribedParameter Owner = Query(
        TenantOf.Parameter,
        "For operators: another tenant, by its name; `*` is every tenant. Default the key's own."
    );

    private static readonly DescribedParameter[] BudgetPath = [Path("id", "The budget."), Owner];

    private static readonly DescribedParameter[] DeploymentPath =
    [
        Path("provider", "The provider's configured name."),
        Path("model", "The provider's name of the model; slashes are allowed."),
    ];

    public static void AddMoneyEndpoints(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<BudgetRequests>().AddSingleton<PriceRequests>().AddSingleton<GetUsage>();

    public static void MapMoney(this IEndpointRouteBuilder app)
    {
        app.MapBudgets(app.ServiceProvider.GetRequiredService<BudgetRequests>());
        app.MapPrices(app.ServiceProvider.GetRequiredService<PriceRequests>());
        app.MapUsage(app.ServiceProvider.GetRequiredService<GetUsage>());
    }

    private static void MapBudgets(this IEndpointRouteBuilder app, BudgetRequests budgets)
    {
        var group = app.MapGroup("/api/v1/budgets").WithTags("Money");
        group
            .MapGet("", budgets.ListAsync)
            .RequireAuthorization(Policies.ReadOperations)
            .Describe(
                "ListBudgets",
                "List budgets",
                "The tenant's budgets and the global ones, with what is spent and set aside.",
                [Owner],
                ProblemTypes.InvalidValue,
                ProblemTypes.UnknownQueryParameter
            )
            .Answers<BudgetList>(StatusCodes.Status200OK, "The budgets.");
        group
            .MapPost("", budgets.PostAsync)
            .RequireAuthorization(Policies.WriteOperations)
            .Describe(
                "AddBudget",
                "Add a budget",
                """
                Counts calls from now on. A call takes from every budget on its path; a hard one without room makes its job wait with the
                reason `budget:…`. Where a hard budget applies, deployments without a price are not asked.
                """,
                [Owner],
                [.. ProblemTypes.OfBody, ProblemTypes.BudgetExists]
            )
            .Answers<Budget>(StatusCodes.Status201Created, "The budget.")
            .Takes<BudgetRequest>();
        group
            .MapGet("/{id}", budgets.GetAsync)
            .RequireAuthorization(Policies.ReadOperations)
            .Describe("GetBudget", "Read a budget", "With what is spent and set aside now.", BudgetPath, ProblemTypes.BudgetNotFound)
            .Answers<Budget>(StatusCodes.Status200OK, "The budget.");
        group
            .MapPut("/{id}", budgets.PutAsync)
            .RequireAuthorization(Policies.WriteOperations)
            .Describe(
                "ChangeBudget",
                "Change a budget",
                "Sets limit, kind and thresholds at once for all workers. Jobs that wait go on as far as a higher limit lets them.",
                BudgetPath,
                [.. ProblemTypes.OfBody, ProblemTypes.BudgetNotFound]
            )
            .Answers<Budget>(StatusCodes.Status200OK, "The budget.")
            .Takes<BudgetRequest>();
        group
            .MapDelete("/{id}", budgets.DeleteAsync)
            .RequireAuthorization(Policies.WriteOperations)
            .Describe("EndBudget", "End a budget", "Jobs that wait for it go on.", BudgetPath, ProblemTypes.BudgetNotFound)
            .Means(StatusCodes.Status204NoContent, "It counts no more.");
    }

    private static void MapPrices(this IEndpointRouteBuilder app, PriceRequests prices)
    {
        var group = app.MapGroup("/api/v1/prices").WithTags("Money");
        group
            .MapGet("", prices.ListAsync)
            .RequireAuthorization(Policies.ReadOperations)
            .Describe("ListPrices", "List prices", "Every version of every deployment's price, also those to come.")
            .Answers<PriceList>(StatusCodes.Status200OK, "The prices.");
        group
            .MapGet("/{provider}/{**model}", prices.GetAsync)
            .RequireAuthorization(Policies.ReadOperations)
            .Describe("GetPrice", "Read a price", "Every version of one deployment's price; empty when it has none.", DeploymentPath)
            .Answers<PriceList>(StatusCodes.Status200OK, "The versions.");
        group
            .MapPut("/{provider}/{**model}", prices.PutAsync)
            .RequireAuthorization(Policies.Operators, Policies.WriteOperations)
            .Describe(
                "SetPrice",
                "Set a price",
                "Adds a version; none is ever changed. Every worker uses it within two seconds, for calls that begin then.",
                DeploymentPath,
                ProblemTypes.OfBody
            )
            .Answers<Price>(StatusCodes.Status201Created, "The new version.")
            .Takes<PriceRequest>();
    }

    private static void MapUsage(this IEndpointRouteBuilder app, GetUsage usage) =>
        app.MapGet("/api/v1/usage", usage.HandleAsync)
            .WithTags("Money")
            .RequireAuthorization(Policies.ReadOperations)
            .Describe(
                "GetUsage",
                "Read what was spent",
                "What calls used and cost, as far as they have ended.",
                [
                    Query("group_by", "With commas: `day`, `tenant`, `key`, `user`, `feature`, `provider`, `model`. Default `day`."),
                    Query("from", "First day, such as 2030-01-31. Default 29 days before `to`."),
                    Query("to", "Last day. Default today, in UTC."),
                    Owner,
                    Query("key", "Only jobs of this API key."),
                    Query("user", "Only this user's."),
                    Query("feature", "Only this feature's."),
                    Query("provider", "Only this provider's."),
                    Query("model", "Only this model's."),
                ],
                ProblemTypes.InvalidValue,
                ProblemTypes.UnknownQueryParameter
            )
            .Answers<UsageReport>(StatusCodes.Status200OK, "The sums.");
}
