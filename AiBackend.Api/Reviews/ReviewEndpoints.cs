using AiBackend.Api.Audit;
using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Reviews;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Reviews;

/// <summary>Reviews at a glance. Decided by people and by keys with the scope; no tool of a job can reach them.</summary>
internal static class ReviewEndpoints
{
    private static readonly DescribedParameter[] OfReview = [Path("id", "The review: `{job}-{attempt}`.")];

    private static readonly DescribedParameter[] ListParameters =
    [
        Query("state", "`open`, the job that waits longest first, or `decided`, newest job first. Default `open`."),
        Query("reason", "Only of this reason, such as `contract`."),
        QueryNumber("limit", "Entries on a page, 1 to 200. Default 50."),
        Query("cursor", "The `next_cursor` of the page before, with the same filters."),
    ];

    public static void AddReviewEndpoints(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<ReviewRequests>().AddSingleton<DecideReview>();

    public static void MapReviews(this IEndpointRouteBuilder app)
    {
        var read = app.MapGroup("/api/v1/reviews").WithTags("Reviews").RequireAuthorization(Policies.ReadReviews);
        var write = app.MapGroup("/api/v1/reviews").WithTags("Reviews").RequireAuthorization(Policies.WriteReviews);
        var requests = app.ServiceProvider.GetRequiredService<ReviewRequests>();
        var decide = app.ServiceProvider.GetRequiredService<DecideReview>();

        read.MapGet("", requests.ListAsync)
            .Describe(
                "ListReviews",
                "List reviews",
                "Results that wait for a person, without question, proposal and input; and how many are open.",
                ListParameters,
                ProblemTypes.InvalidValue,
                ProblemTypes.BadCursor
            )
            .Answers<ReviewPage>(StatusCodes.Status200OK, "A page of reviews.");
        read.MapGet("/{id}", requests.GetAsync)
            .Describe(
                "GetReview",
                "Read a review",
                "With everything a decision needs: why a person is asked, the proposed result, what the job was asked, and its contract.",
                OfReview,
                ProblemTypes.ReviewNotFound
            )
            .Answers<Review>(StatusCodes.Status200OK, "The review.");
        write.MapClaims(requests);
        write.MapDecisions(decide);
    }

    private static void MapClaims(this IEndpointRouteBuilder write, ReviewRequests requests)
    {
        write
            .MapPost("/{id}/claim", requests.ClaimAsync)
            .Describe(
                "ClaimReview",
                "Take a review in hand",
                "Nobody else can decide it for 10 minutes, or as `Reviews__ClaimFor` says. Claim it again to keep it longer. Not needed to decide.",
                OfReview,
                ProblemTypes.ReviewNotFound,
                ProblemTypes.ReviewClaimed,
                ProblemTypes.ReviewDecided,
                ProblemTypes.ReviewChanged
            )
            .Answers<Review>(StatusCodes.Status200OK, "The review, with its new `version` and `claim`.");
        write
            .MapPost("/{id}/release", requests.ReleaseAsync)
            .Describe(
                "ReleaseReview",
                "Give a review back",
                "Ends the caller's claim before its time; without one nothing changes.",
                OfReview,
                ProblemTypes.ReviewNotFound,
                ProblemTypes.ReviewClaimed,
                ProblemTypes.ReviewDecided
            )
            .Answers<Review>(StatusCodes.Status200OK, "The review.");
    }

    private static void MapDecisions(this IEndpointRouteBuilder write, DecideReview decide)
    {
        write
            .MapPost("/{id}/approve", decide.ApproveAsync)
            .Audited()
            .Describe(
                "ApproveReview",
                "Approve a result",
                """
                The proposal, or `text` in its place, is the job's output, and the job completes. An edited text is checked by the job's
                contract (but for rules `judge`) and refused with the violations, unless `override` and a `comment` say that it is right all
                the same. Where nothing is proposed, the job may go on. Of decisions that arrive together one counts.
                """,
                OfReview,
                [
                    .. ProblemTypes.OfBody,
                    ProblemTypes.ReviewNotFound,
                    ProblemTypes.ReviewClaimed,
                    ProblemTypes.ReviewDecided,
                    ProblemTypes.ReviewChanged,
                    ProblemTypes.ContractViolated,
                ]
            )
            .Answers<Review>(StatusCodes.Status200OK, "The review, decided.")
            .Takes<ApproveReviewRequest>();
        write
            .MapPost("/{id}/reject", decide.RejectAsync)
            .Audited()
            .Describe(
                "RejectReview",
                "Refuse a result",
                "The job fails with `review_rejected`; with `continue` another attempt follows instead, and its model is told the `comment`.",
                OfReview,
                [
                    .. ProblemTypes.OfBody,
                    ProblemTypes.ReviewNotFound,
                    ProblemTypes.ReviewClaimed,
                    ProblemTypes.ReviewDecided,
                    ProblemTypes.ReviewChanged,
                ]
            )
            .Answers<Review>(StatusCodes.Status200OK, "The review, decided.")
            .Takes<RejectReviewRequest>();
    }
}
