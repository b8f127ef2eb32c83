using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.Api.Repeats;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Workflows;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Workflows;

/// <summary>Workflows and their runs at a glance. A run is a job: it is read, watched and cancelled like any other.</summary>
internal static class WorkflowEndpoints
{
    private static readonly DescribedParameter[] OfWorkflow = [Path("name", "The workflow.")];
    private static readonly DescribedParameter[] OfRun = [Path("id", "The run's job.")];

    public static void AddWorkflowRequests(this IHostApplicationBuilder builder) =>
        builder
            .Services.AddWorkflows()
            .AddSingleton<WorkflowRequests>()
            .AddSingleton<RunRules>()
            .AddSingleton<StartRun>()
            .AddSingleton<RunRequests>()
            .AddSingleton<EventContracts>()
            .AddSingleton<RerunSource>()
            .AddSingleton<ReplayedRuns>();

    public static void MapWorkflows(this IEndpointRouteBuilder app)
    {
        var requests = app.ServiceProvider.GetRequiredService<WorkflowRequests>();
        var group = app.MapGroup("/api/v1/workflows").WithTags("Workflows");
        group
            .MapGet("", requests.ListAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "ListWorkflows",
                "List workflows",
                "The newest version of each, without its definition, with how often it is run.",
                [QueryNumber("limit", "At most 200; 100 by default."), Query("cursor", "`next_cursor` of the page before.")],
                ProblemTypes.BadCursor
            )
            .Answers<WorkflowList>(StatusCodes.Status200OK, "By name.");
        group
            .MapGet("/{name}", requests.GetAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "GetWorkflow",
                "Read a workflow",
                "One version, whole.",
                [.. OfWorkflow, QueryNumber("version", "Which; the newest by default.")],
                ProblemTypes.WorkflowNotFound
            )
            .Answers<Workflow>(StatusCodes.Status200OK, "The version.");
        group
            .MapGet("/{name}/versions", requests.ListVersionsAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "ListWorkflowVersions",
                "List the versions of a workflow",
                "Without their definitions.",
                [.. OfWorkflow, QueryNumber("limit", "At most 200; 100 by default."), Query("cursor", "`next_cursor` of the page before.")],
                ProblemTypes.WorkflowNotFound
            )
            .Answers<WorkflowList>(StatusCodes.Status200OK, "Newest first.");
        group
            .MapPut("/{name}", requests.PutAsync)
            .RequireAuthorization(Policies.WriteWorkflows)
            .Describe(
                "PutWorkflow",
                "Add a version of a workflow",
                "Checks every step, placeholder and contract; runs that have begun keep the version they have.",
                OfWorkflow,
                [.. ProblemTypes.OfBody, ProblemTypes.VersionMismatch, ProblemTypes.TooManyWorkflows]
            )
            .Answers<Workflow>(StatusCodes.Status201Created, "The first version.")
            .Answers<Workflow>(StatusCodes.Status200OK, "A further version.")
            .Takes<WorkflowDefinition>();
        group
            .MapDelete("/{name}", requests.DeleteAsync)
            .RequireAuthorization(Policies.WriteWorkflows)
            .Describe("DeleteWorkflow", "Delete a workflow", "Every version. Runs go on.", OfWorkflow, ProblemTypes.WorkflowNotFound)
            .Means(StatusCodes.Status204NoContent, "It is gone.");
        group.MapRun(app.ServiceProvider.GetRequiredService<StartRun>());
        app.MapSteps();
    }

    private static void MapRun(this IEndpointRouteBuilder group, StartRun start) =>
        group
            .MapPost("/{name}/runs", start.RunAsync)
            .KnowsRepeats()
            .RequireAuthorization(Policies.WriteJobs)
            .Describe(
                "RunWorkflow",
                "Run a workflow",
                "Answers as soon as the run is durable: a job of the type `workflow`, whose steps are jobs of their own. With `rerun` it goes on from an earlier run; `limits` bound what all its steps may use together.",
                [
                    .. OfWorkflow,
                    Header("Idempotency-Key", "As of a job."),
                    Header("Prefer", "As of a job: `wait=N` waits up to N seconds, at most 60, for the run to end."),
                ],
                [
                    .. ProblemTypes.OfBody,
                    ProblemTypes.WorkflowNotFound,
                    ProblemTypes.UnknownModel,
                    ProblemTypes.ModelNotAllowed,
                    ProblemTypes.IdempotencyKeyReused,
                ]
            )
            .Answers<Job>(StatusCodes.Status202Accepted, "The run as it was accepted.")
            .Answers<Job>(StatusCodes.Status200OK, "The finished run, when `Prefer: wait=N` was sent and it ended in time.")
            .Takes<RunWorkflowRequest>();

    private static void MapSteps(this IEndpointRouteBuilder app)
    {
        var runs = app.ServiceProvider.GetRequiredService<RunRequests>();
        app.MapGet("/api/v1/jobs/{id}/steps", runs.ListStepsAsync)
            .WithTags("Workflows")
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "ListSteps",
                "List the steps of a run",
                "Each as soon as it has begun, with what it gave as soon as it has ended.",
                [.. OfRun, QueryNumber("limit", "At most 200; 100 by default."), Query("cursor", "`next_cursor` of the page before.")],
                ProblemTypes.JobNotFound,
                ProblemTypes.BadCursor
            )
            .Answers<RunSteps>(StatusCodes.Status200OK, "In the order in which they began; none for a job that is no run.");
        app.MapPost("/api/v1/jobs/{id}/events", runs.PostEventAsync)
            .WithTags("Workflows")
            .RequireAuthorization(Policies.WriteJobs)
            .Describe(
                "PostEvent",
                "Give a run the event that it waits for",
                "The step of this name, which must be of the type `event`, ends and gives the data. Each wait takes one event, while it lasts.",
                OfRun,
                [.. ProblemTypes.OfBody, ProblemTypes.JobNotFound, ProblemTypes.EventNotAwaited]
            )
            .Means(StatusCodes.Status202Accepted, "The run has it.")
            .Takes<WorkflowEvent>();
    }
}
