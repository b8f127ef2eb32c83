using AiBackend.Api.OpenApi;
using AiBackend.Api.Privacy;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Jobs;

/// <summary>What the OpenAPI document says about the routes of a job.</summary>
internal static class JobsDescription
{
    private static readonly ProblemType[] BadBody =
    [
        .. ProblemTypes.OfBody,
        ProblemTypes.UnknownType,
        ProblemTypes.MissingMessages,
        ProblemTypes.EmptyText,
        ProblemTypes.UnknownModel,
        ProblemTypes.UnknownTool,
        ProblemTypes.ConversationNotFound,
        ProblemTypes.ConversationBusy,
        ProblemTypes.ConversationFull,
        ProblemTypes.PriorityTooHigh,
        ProblemTypes.ModelNotAllowed,
        ProblemTypes.KeyLimitReached,
        ProblemTypes.MalformedIdempotencyKey,
        ProblemTypes.MalformedRequest,
        ProblemTypes.RequestTimeout,
        ProblemTypes.IdempotencyKeyReused,
        ProblemTypes.UnknownAttachment,
        ProblemTypes.FileNotAttachable,
        ProblemTypes.AttachmentsTooLarge,
        ProblemTypes.Overloaded,
        ProblemTypes.ProviderDown,
        ProblemTypes.Draining,
        ProblemTypes.TenantQueueFull,
        ProblemTypes.QueueFull,
    ];

    public static void DescribeSubmit(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "SubmitJob",
                "Submit a job",
                "Answers as soon as the job is durable. The address of the job is in the header `Location`.",
                [
                    Header(
                        "Idempotency-Key",
                        "1 to 255 printable ASCII characters, bare or in double quotes, kept for 24 hours per tenant. The same key and body again gives the original answer and `Idempotent-Replayed: true`."
                    ),
                    Header(
                        "Prefer",
                        "`wait=N` waits up to N seconds, at most 60, for the job to end; then the answer is 200 with the finished job."
                    ),
                ],
                BadBody
            )
            .Answers<Job>(StatusCodes.Status202Accepted, "The job as it was accepted.")
            .Answers<Job>(StatusCodes.Status200OK, "The finished job, when `Prefer: wait=N` was sent and it ended in time.")
            .Takes<SubmitJobRequest>();

    public static void DescribeList(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "ListJobs",
                "List jobs",
                "Newest first, without their output. Pages stay correct while jobs come and go.",
                [
                    Query("status", "Only jobs with one of these statuses; after a minus sign, such as `-completed`, all but those.") with
                    {
                        Repeatable = true,
                    },
                    Query("type", "Only jobs of this type."),
                    Query("feature", "Only jobs of this feature."),
                    Query("created_after", "Only jobs accepted at or after this time."),
                    Query("created_before", "Only jobs accepted before this time."),
                    QueryNumber("limit", "Jobs on a page, 1 to 200. Default 50."),
                    Query("cursor", "The `next_cursor` of the page before, with the same filters."),
                    .. JobOwner.Described,
                ],
                ProblemTypes.ReasonNeeded,
                ProblemTypes.InvalidValue,
                ProblemTypes.UnknownType,
                ProblemTypes.BadCursor
            )
            .Answers<JobPage>(StatusCodes.Status200OK, "A page of jobs.");

    public static void DescribeGet(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "GetJob",
                "Read a job",
                "With `wait`, answers as soon as the job has ended or the time is up, whichever comes first.",
                [QueryNumber("wait", "Seconds to wait for the job to end, 0 to 60. Default 0."), .. JobOwner.Described],
                ProblemTypes.ReasonNeeded,
                ProblemTypes.InvalidValue,
                ProblemTypes.JobNotFound
            )
            .Answers<Job>(StatusCodes.Status200OK, "The job.");

    public static void DescribeEvents(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "StreamJobEvents",
                "Follow a job",
                """
                Server-sent events: `id` is the event's number, `event` its type, `data` one line of JSON. The stream ends after `final`;
                a comment is sent at least every 15 seconds. Resume with the header `Last-Event-ID` or with `after`; the header wins.
                With `Accept: application/json`, one page of at most 500 events instead of a stream. Readers ignore types they do not know.
                """,
                [
                    QueryNumber("after", "Number of the last event already received. Default 0: from the beginning."),
                    Query("ticket", "In place of a key: a ticket of `POST /api/v1/jobs/{id}/stream-tickets`, which opens one stream."),
                    Header("Last-Event-ID", "The same as `after`, as event sources send it when they reconnect."),
                ],
                ProblemTypes.BadAfter,
                ProblemTypes.KeyLimitReached,
                ProblemTypes.JobNotFound
            )
            .Answers<JobEventPage>(StatusCodes.Status200OK, "The events: a stream, or a page when JSON is asked for.")
            .AlsoStreams()
            .Means(StatusCodes.Status204NoContent, "The job has ended and the reader has its last event: do not reconnect.")
            .WithMetadata(new ProducesResponseTypeMetadata(StatusCodes.Status204NoContent, typeof(void)));

    public static void DescribeStreamTickets(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "CreateStreamTicket",
                "Make a ticket for a job's events",
                """
                For browsers, whose event sources send no headers: a key never belongs into an address. The ticket opens the events of this job, once,
                within 60 seconds, from one address, for as long as the key counts. A reader that was cut off comes back with a new one and `after`.
                """,
                null,
                [.. ProblemTypes.OfBody, ProblemTypes.JobNotFound]
            )
            .Answers<StreamTicket>(StatusCodes.Status201Created, "The ticket, this once.")
            .Takes<CreateStreamTicketRequest>(optional: true);

    public static void DescribeTrace(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "GetJobTrace",
                "Read what happened to a job",
                "Attempts with provider, model version, times, tokens, cost and error, and every time span in which the job waited.",
                JobOwner.Described,
                ProblemTypes.InvalidValue,
                ProblemTypes.ReasonNeeded,
                ProblemTypes.JobNotFound
            )
            .Answers<JobTrace>(StatusCodes.Status200OK, "The trace.");

    public static void DescribeCancel(this IEndpointConventionBuilder endpoint) =>
        endpoint
            .Describe(
                "CancelJob",
                "Cancel a job",
                "A waiting job ends at once. A running one is told to stop and ends within moments; what it has produced stays readable.",
                null,
                ProblemTypes.JobNotFound,
                ProblemTypes.JobTerminal
            )
            .Answers<Job>(StatusCodes.Status202Accepted, "The job, ended or about to end.");
}
