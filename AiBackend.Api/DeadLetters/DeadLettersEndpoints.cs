using AiBackend.Api.Audit;
using AiBackend.Api.Auth;
using AiBackend.Api.DeadLetters.Alerts;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Privacy;
using AiBackend.Api.Problems;
using AiBackend.Api.Repeats;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.ApiContracts.Jobs;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.DeadLetters;

/// <summary>Every route about jobs that failed for good, at a glance.</summary>
internal static class DeadLettersEndpoints
{
    private static readonly DescribedParameter[] ListParameters =
    [
        Query("class", "Only errors of this class, such as `transient`."),
        Query("code", "Only errors with this code, such as `provider_timeout`."),
        Query("model", "Only jobs for this route or model."),
        Query("since", "Only jobs that died at or after this time."),
        QueryNumber("limit", "Entries on a page, 1 to 200. Default 50."),
        Query("cursor", "The `next_cursor` of the page before, with the same filters."),
    ];

    public static void AddDeadLetterEndpoints(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddSingleton<ListDeadLetters>()
            .AddSingleton<ReplayJobRequest>()
            .AddSingleton<ReplayEdits>()
            .AddSingleton<DiscardJobRequest>()
            .AddSingleton<GetJobInput>();
        builder
            .Services.AddSingleton<BulkRules>()
            .AddSingleton<BeginBulkRequest>()
            .AddSingleton<BulkActionRequests>()
            .AddSingleton<AlertRequests>();
    }

    public static void MapDeadLetters(this IEndpointRouteBuilder app)
    {
        var read = app.MapGroup("/api/v1/dead-letters").WithTags("Dead letters").RequireAuthorization(Policies.ReadJobs);
        var jobs = app.MapGroup("/api/v1/jobs").WithTags("Dead letters").RequireAuthorization(Policies.WriteJobs);
        var inputs = app.MapGroup("/api/v1/jobs").WithTags("Jobs").RequireAuthorization(Policies.ReadJobs);
        var services = app.ServiceProvider;
        var lists = services.GetRequiredService<ListDeadLetters>();

        read.MapGet("", lists.GroupsAsync)
            .Describe(
                "ListDeadLetterGroups",
                "List causes of dead letters",
                "Jobs that failed for good through no fault of their caller, by what their errors have in common. The cause first seen last comes first.",
                ListParameters,
                ProblemTypes.InvalidValue,
                ProblemTypes.BadCursor
            )
            .Answers<DeadLetterGroupPage>(StatusCodes.Status200OK, "A page of groups that have open letters.");
        read.MapGet("/{fingerprint}", lists.LettersAsync)
            .Describe(
                "ListDeadLetters",
                "List the dead letters of a cause",
                "Those neither replayed nor discarded, newest job first.",
                [Path("fingerprint", "The group."), .. ListParameters],
                ProblemTypes.InvalidValue,
                ProblemTypes.BadCursor
            )
            .Answers<DeadLetterPage>(StatusCodes.Status200OK, "A page of letters; empty when the group has none.");
        jobs.MapPost("/{id}/replay", services.GetRequiredService<ReplayJobRequest>().HandleAsync)
            .KnowsRepeats()
            .Audited()
            .DescribeReplayJob();
        inputs
            .MapGet("/{id}/input", services.GetRequiredService<GetJobInput>().HandleAsync)
            .Describe(
                "GetJobInput",
                "Read what a job was asked to do",
                "Its `input` as it was accepted, for whoever wants to change it before a replay.",
                JobOwner.Described,
                ProblemTypes.InvalidValue,
                ProblemTypes.ReasonNeeded,
                ProblemTypes.JobNotFound
            )
            .Answers<ChatInput>(StatusCodes.Status200OK, "The input.");
        jobs.MapPost("/{id}/discard", services.GetRequiredService<DiscardJobRequest>().HandleAsync)
            .Audited()
            .Describe(
                "DiscardDeadLetter",
                "Discard a dead letter",
                "Nobody needs it any more: it leaves the list. The job stays readable and can still be replayed. Discarding it again changes nothing.",
                null,
                ProblemTypes.JobNotFound,
                ProblemTypes.NotADeadLetter
            )
            .Answers<DeadLetter>(StatusCodes.Status200OK, "The letter, discarded.");
    }

    public static void MapBulkActions(this IEndpointRouteBuilder app)
    {
        var begin = app.MapGroup("/api/v1/dead-letters").WithTags("Dead letters").RequireAuthorization(Policies.WriteJobs);
        var read = app.MapGroup("/api/v1/bulk").WithTags("Dead letters").RequireAuthorization(Policies.ReadJobs);
        var write = app.MapGroup("/api/v1/bulk").WithTags("Dead letters").RequireAuthorization(Policies.WriteJobs);
        var beginning = app.ServiceProvider.GetRequiredService<BeginBulkRequest>();
        var actions = app.ServiceProvider.GetRequiredService<BulkActionRequests>();

        begin.MapPost("/replay", beginning.ReplayAsync).KnowsRepeats().Audited().DescribeReplay();
        begin.MapPost("/discard", beginning.DiscardAsync).KnowsRepeats().Audited().DescribeDiscard();
        read.MapGet("", actions.ListAsync).DescribeBulkList();
        read.MapGet("/{id}", actions.GetAsync).DescribeBulkGet();
        write.MapPost("/{id}/cancel", actions.CancelAsync).Audited().DescribeBulkCancel();
    }

    private static void DescribeReplayJob(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "ReplayJob",
                "Run an ended job again",
                """
                Makes a new job with `replay_of` and the same input, model, priority, feature, user, metadata and `max_attempts`, except what
                the body changes. Without a body nothing changes. `prompt` makes the first messages of a chat anew of another version; `from_step`
                does a run of a workflow again from that step on, with `input` or its own, and takes over what came before. A dead letter is replayed once: every later replay of it answers with that
                same job and `Idempotent-Replayed: true`, whatever it asks for. For other ended jobs `Idempotency-Key` makes a repeat safe.
                A deadline that has passed is not taken over. The key and its tier must allow the priority.
                """,
                [Header("Idempotency-Key", "As for submitting a job. Not needed for dead letters.")],
                [
                    .. ProblemTypes.OfBody,
                    ProblemTypes.MissingMessages,
                    ProblemTypes.EmptyText,
                    ProblemTypes.UnknownModel,
                    ProblemTypes.PriorityTooHigh,
                    ProblemTypes.ModelNotAllowed,
                    ProblemTypes.UnknownTool,
                    ProblemTypes.MalformedIdempotencyKey,
                    ProblemTypes.JobNotFound,
                    ProblemTypes.JobNotEnded,
                    ProblemTypes.IdempotencyKeyReused,
                ]
            )
            .Answers<Job>(StatusCodes.Status202Accepted, "The new job as it was accepted; its address is in the header `Location`.")
            .Takes<ReplayRequest>(optional: true);
}
