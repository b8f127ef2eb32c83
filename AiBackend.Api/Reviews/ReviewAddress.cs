using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Jobs.Waits;

namespace AiBackend.Api.Reviews;

/// <summary>The review named in an address, and what is said when it is not as the caller thinks.</summary>
internal static class ReviewAddress
{
    public static async Task<(Refusal? Refusal, Review Review)> FindReviewAsync(this HttpContext context, ReviewReads reads)
    {
        var name = context.Request.RouteValues["id"] as string ?? "";
        if (
            ReviewPlace.TryParse(name, out var place)
            && await reads.FindAsync(context.GetTenantId(), place, context.RequestAborted) is { } review
        )
        {
            return (null, review);
        }

        // One answer for what is malformed, unknown and another tenant's.
        var refusal = ProblemTypes.ReviewNotFound.With(
            $"There is no review {Quoted.Of(name)}. Check the id, and that the key belongs to the tenant whose job it is."
        );
        return (refusal, null!);
    }

    public static WaitKey WaitOf(this HttpContext context, Review review) => new(context.GetTenantId(), review.JobId, review.Attempt);

    /// <summary>Why a caller who saw a version cannot decide the review as it is now; null when nothing is in the way.</summary>
    public static Refusal? RefuseDecision(Review now, string by, int? seen) =>
        now switch
        {
            { Decision: { } decision } => ProblemTypes.ReviewDecided.With(
                FormattableString.Invariant(
                    $"Review {now.Id} is {decision.Kind}{(decision.By is { } who ? $" by {who}" : "")} since {decision.At:O}. There is nothing left to decide."
                )
            ),
            { Claim: { } claim } when claim.By != by => Claimed(now, claim),
            _ when seen is not null && seen != now.Version => ProblemTypes.ReviewChanged.With(
                FormattableString.Invariant(
                    $"Review {now.Id} is at version {now.Version}, and {seen} was sent. Read it again with GET /api/v1/reviews/{now.Id}, then decide."
                )
            ),
            _ => null,
        };

    private static Refusal Claimed(Review now, ReviewClaim claim) =>
        ProblemTypes.ReviewClaimed.With(
            FormattableString.Invariant(
                $"Review {now.Id} is in the hands of {claim.By} until {claim.Until:O}. Take another one, or wait until then."
            )
        );
}
