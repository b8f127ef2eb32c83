using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Privacy;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Tools;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Tools;

/// <summary>Tools at a glance.</summary>
internal static class ToolRoutes
{
    private static readonly DescribedParameter[] OfTool = [Path("name", "The tool.")];
    private static readonly DescribedParameter[] OfJob = [Path("id", "The job.")];

    private static readonly DescribedParameter[] Change =
    [
        .. OfTool,
        Header("If-Match", "The ETag of the version that the change was decided on; without it the change counts in any case."),
    ];

    public static void AddToolRequests(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<ToolFields>().AddSingleton<ToolRequests>().AddSingleton<ToolCallRequests>();

    public static void MapTools(this IEndpointRouteBuilder app)
    {
        app.MapRegistry(app.ServiceProvider.GetRequiredService<ToolRequests>());
        app.MapCalls(app.ServiceProvider.GetRequiredService<ToolCallRequests>());
    }

    private static void MapRegistry(this IEndpointRouteBuilder app, ToolRequests tools)
    {
        var group = app.MapGroup("/api/v1/tools").WithTags("Tools");
        group
            .MapGet("", tools.ListAsync)
            .RequireAuthorization(Policies.ReadTools)
            .Describe("ListTools", "List tools", "Those of the tenant and those that come with the product. Never the values of headers.")
            .Answers<ToolList>(StatusCodes.Status200OK, "By name.");
        group
            .MapGet("/{name}", tools.GetAsync)
            .RequireAuthorization(Policies.ReadTools)
            .Describe(
                "GetTool",
                "Read a tool",
                "As new jobs have it.",
                [.. OfTool, Query("versions", "`all` answers a list of its versions, newest first.")],
                ProblemTypes.ToolNotFound,
                ProblemTypes.InvalidValue
            )
            .Answers<Tool>(StatusCodes.Status200OK, "The tool.");
        group
            .MapPut("/{name}", tools.PutAsync)
            .RequireAuthorization(Policies.WriteTools)
            .Describe(
                "SetTool",
                "Make or change a tool",
                """
                Jobs name it in `input.tools`. A change is a new version, for jobs that are accepted from then on; those before keep theirs.
                The model's arguments are checked with the schema, and posted to the address as they are, with `Idempotency-Key`; what it
                answers is given to the model as data, up to the limit.
                """,
                Change,
                [.. ProblemTypes.OfBody, ProblemTypes.VersionMismatch, ProblemTypes.NoToolSecret, ProblemTypes.TooManyTools]
            )
            .Answers<Tool>(StatusCodes.Status201Created, "The new tool.")
            .Answers<Tool>(StatusCodes.Status200OK, "The new version.")
            .Takes<ToolRequest>();
        group
            .MapDelete("/{name}", tools.DeleteAsync)
            .RequireAuthorization(Policies.WriteTools)
            .Describe(
                "DeleteTool",
                "Delete a tool",
                "Nobody calls it any more, also not jobs that were accepted before; their models are told.",
                Change,
                ProblemTypes.ToolNotFound,
                ProblemTypes.InvalidValue,
                ProblemTypes.VersionMismatch
            )
            .Means(StatusCodes.Status204NoContent, "It is gone.");
    }

    private static void MapCalls(this IEndpointRouteBuilder app, ToolCallRequests calls)
    {
        var group = app.MapGroup("/api/v1/jobs").WithTags("Tools");
        group
            .MapGet("/{id}/tool-calls", calls.ListAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "ListToolCalls",
                "List a job's calls of tools",
                "Each was written down before it was sent, and its result after.",
                [.. OfJob, .. JobOwner.Described],
                ProblemTypes.ReasonNeeded,
                ProblemTypes.InvalidValue,
                ProblemTypes.JobNotFound
            )
            .Answers<JobToolCalls>(StatusCodes.Status200OK, "The calls.");
        group
            .MapPost("/{id}/tool-results", calls.PostAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .Describe(
                "PostToolResult",
                "Give a tool's result",
                "For a call of a tool of the kind `client`, when the job is `waiting_for_tool`. With the last result the job goes on. What is sent twice changes nothing.",
                OfJob,
                [.. ProblemTypes.OfBody, ProblemTypes.JobNotFound, ProblemTypes.ToolCallNotFound, ProblemTypes.ResultNotAwaited]
            )
            .Answers<JobToolCall>(StatusCodes.Status202Accepted, "The call with its result.")
            .Answers<JobToolCall>(StatusCodes.Status200OK, "There was a result already; it stays.")
            .Takes<ToolResultRequest>();
    }
}
