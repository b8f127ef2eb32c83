using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.DeadLetters;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.DeadLetters;

/// <summary>What the OpenAPI document says about bulk actions.</summary>
internal static class BulkDescription
{
    private static readonly ProblemType[] BadBody =
    [
        .. ProblemTypes.OfBody,
        ProblemTypes.MalformedIdempotencyKey,
        ProblemTypes.IdempotencyKeyReused,
        ProblemTypes.TooManyBulkActions,
    ];

    private static readonly DescribedParameter[] Key =
    [
        Header("Idempotency-Key", "The same key and body again, within 24 hours, begins nothing and answers with the action of then."),
    ];

    private static readonly DescribedParameter[] Id = [Path("id", "The bulk action.")];

    public static void DescribeReplay(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "ReplayDeadLetters",
                "Replay many dead letters",
                """
                Takes the open letters of now and replays them at `rate`. With `canary`, one first, then ten, then the rest: each stage waits
                until its new jobs have ended, and the action stops when one of them dies of its old cause. A letter that somebody replays or
                discards meanwhile is skipped. Jobs more urgent than the key may ask for become as urgent as it may. With `dry_run` nothing is begun.
                """,
                Key,
                [.. BadBody, ProblemTypes.UnknownModel, ProblemTypes.ModelNotAllowed]
            )
            .Answers<BulkAction>(StatusCodes.Status202Accepted, "The action; its address is in the header `Location`.")
            .Answers<BulkPreview>(StatusCodes.Status200OK, "What it would be, when `dry_run` was sent.")
            .Takes<BulkReplayRequest>();

    public static void DescribeDiscard(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "DiscardDeadLetters",
                "Discard many dead letters",
                "Takes the open letters of now off the list. With `dry_run` nothing is begun.",
                Key,
                BadBody
            )
            .Answers<BulkAction>(StatusCodes.Status202Accepted, "The action; its address is in the header `Location`.")
            .Answers<BulkPreview>(StatusCodes.Status200OK, "What it would be, when `dry_run` was sent.")
            .Takes<BulkDiscardRequest>();

    public static void DescribeBulkList(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe("ListBulkActions", "List bulk actions", "The 50 newest, running and ended.")
            .Answers<BulkActionList>(StatusCodes.Status200OK, "The actions, newest first.");

    public static void DescribeBulkGet(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "GetBulkAction",
                "Read a bulk action",
                "How far it is, and what became of its new jobs.",
                Id,
                ProblemTypes.BulkNotFound
            )
            .Answers<BulkAction>(StatusCodes.Status200OK, "The action.");

    public static void DescribeBulkCancel(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "CancelBulkAction",
                "Cancel a bulk action",
                "Nothing more is begun. What it has done stays done, and its new jobs run on.",
                Id,
                ProblemTypes.BulkNotFound,
                ProblemTypes.BulkEnded
            )
            .Answers<BulkAction>(StatusCodes.Status202Accepted, "The action, cancelled.");
}
