using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.Api.Repeats;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Core.Prompts;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Prompts;

/// <summary>Stored prompts at a glance.</summary>
internal static class PromptEndpoints
{
    private static readonly DescribedParameter[] OfPrompt = [Path("name", "The prompt.")];
    private static readonly DescribedParameter Repeatable = Header(
        "Idempotency-Key",
        "A repeat with the same key and body answers with the version of the first."
    );
    private static readonly DescribedParameter[] OfLabel = [.. OfPrompt, Path("label", "The label, such as `production`.")];

    private static readonly ProblemType[] OfAdded =
    [
        .. ProblemTypes.OfBody,
        ProblemTypes.MalformedIdempotencyKey,
        ProblemTypes.IdempotencyKeyReused,
        ProblemTypes.RequestInProgress,
    ];

    public static void AddPromptEndpoints(this IHostApplicationBuilder builder) =>
        builder
            .Services.AddPrompts()
            .AddSingleton<PromptRules>()
            .AddSingleton<PromptedJobs>()
            .AddSingleton<ReplayedPrompts>()
            .AddSingleton<PromptRequests>()
            .AddSingleton<PromptLabelRequests>();

    public static void MapPrompts(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api/v1/prompts").WithTags("Prompts");
        var prompts = app.ServiceProvider.GetRequiredService<PromptRequests>();
        group.MapReads(prompts);
        group.MapVersions(prompts);
        group.MapLabels(app.ServiceProvider.GetRequiredService<PromptLabelRequests>());
    }

    private static void MapReads(this IEndpointRouteBuilder group, PromptRequests prompts)
    {
        group
            .MapGet("", prompts.ListAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe("ListPrompts", "List prompts", "With their labels, and what those say.")
            .Answers<PromptList>(StatusCodes.Status200OK, "By name.");
        group
            .MapGet("/{name}", prompts.GetAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe("GetPrompt", "Read a prompt", "With its labels.", OfPrompt, ProblemTypes.PromptNotFound)
            .Answers<Prompt>(StatusCodes.Status200OK, "The prompt.");
        group
            .MapGet("/{name}/diff", prompts.DiffAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "ComparePromptVersions",
                "Compare two versions of a prompt",
                "Line by line, message by message, and their settings as JSON.",
                [.. OfPrompt, QueryNumber("from", "The one version."), QueryNumber("to", "The other one.")],
                ProblemTypes.PromptNotFound,
                ProblemTypes.InvalidValue
            )
            .Answers<PromptDiff>(StatusCodes.Status200OK, "What differs.");
    }

    private static void MapVersions(this IEndpointRouteBuilder group, PromptRequests prompts)
    {
        group
            .MapPost("", prompts.PostAsync)
            .KnowsRepeats()
            .RequireAuthorization(Policies.WritePrompts)
            .Describe(
                "AddPrompt",
                "Add a prompt",
                """
                Makes its version 1. Versions never change: another text is another version. Jobs take a version with `input.prompt`, by number
                or by label; a label that no change has set says nothing yet, so set `production` first.
                """,
                [Repeatable],
                [.. OfAdded, ProblemTypes.PromptExists]
            )
            .Answers<PromptVersion>(StatusCodes.Status201Created, "Version 1.")
            .Takes<NewPrompt>();
        group
            .MapPost("/{name}/versions", prompts.PostVersionAsync)
            .KnowsRepeats()
            .RequireAuthorization(Policies.WritePrompts)
            .Describe(
                "AddPromptVersion",
                "Add a version of a prompt",
                "No label says it yet but `latest`.",
                [.. OfPrompt, Repeatable],
                [.. OfAdded, ProblemTypes.PromptNotFound, ProblemTypes.PromptExists]
            )
            .Answers<PromptVersion>(StatusCodes.Status201Created, "The version.")
            .Takes<NewPromptVersion>();
        group
            .MapGet("/{name}/versions", prompts.ListVersionsAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "ListPromptVersions",
                "List versions of a prompt",
                "With what became of their jobs: how often the first answer kept its contract, what they cost and how long they took.",
                OfPrompt,
                ProblemTypes.PromptNotFound
            )
            .Answers<PromptVersionList>(StatusCodes.Status200OK, "Newest first.");
        group
            .MapGet("/{name}/versions/{version}", prompts.GetVersionAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "GetPromptVersion",
                "Read a version of a prompt",
                "With what became of its jobs.",
                [.. OfPrompt, Path("version", "Its number.")],
                ProblemTypes.PromptNotFound
            )
            .Answers<PromptVersion>(StatusCodes.Status200OK, "The version.");
    }

    private static void MapLabels(this IEndpointRouteBuilder group, PromptLabelRequests labels)
    {
        group
            .MapPut("/{name}/labels/{label}", labels.PutAsync)
            .RequireAuthorization(Policies.WritePrompts)
            .Describe(
                "SetPromptLabel",
                "Set a label of a prompt",
                "Jobs that name the label get this version from now on, and some of them the canary, if there is one. Jobs that were accepted before keep theirs.",
                OfLabel,
                [.. ProblemTypes.OfBody, ProblemTypes.PromptNotFound]
            )
            .Answers<PromptLabel>(StatusCodes.Status200OK, "What it says now.")
            .Takes<PromptLabelRequest>();
        group
            .MapPost("/{name}/labels/{label}/rollback", labels.RollBackAsync)
            .RequireAuthorization(Policies.WritePrompts)
            .Describe(
                "RollBackPromptLabel",
                "Roll a label of a prompt back",
                "It says again what it said before its latest change, canary included. Called again it goes back further.",
                OfLabel,
                ProblemTypes.PromptNotFound,
                ProblemTypes.NothingToRollBack
            )
            .Answers<PromptLabel>(StatusCodes.Status200OK, "What it says now.");
        group
            .MapGet("/{name}/labels/{label}/history", labels.HistoryAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "ListPromptLabelChanges",
                "List changes of a label",
                "Who set it to what, and when.",
                OfLabel,
                ProblemTypes.PromptNotFound
            )
            .Answers<PromptLabelList>(StatusCodes.Status200OK, "Newest first.");
    }
}
