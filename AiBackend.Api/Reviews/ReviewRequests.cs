using AiBackend.Api.Auth;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Jobs.Waits;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Reviews;

/// <summary><c>/api/v1/reviews</c>: what waits for a person, and who has it in hand.</summary>
internal sealed class ReviewRequests(ReviewReads reads, ClaimReview claims, IOptions<ReviewOptions> options)
{
    public async Task ListAsync(HttpContext context)
    {
        if (ReviewQuery.TryRead(context.Request, out var query) is { } refusal)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        // One more than shown says whether there is another page.
        var tenantId = context.GetTenantId();
        var found = await reads.ListAsync(tenantId, query.Open, query.Reason, query.After, query.Limit + 1, context.RequestAborted);
        IReadOnlyList<Review> shown = found.Count > query.Limit ? [.. found.Take(query.Limit)] : found;
        var page = new ReviewPage(
            shown,
            found.Count > query.Limit ? query.CursorAfter(shown[^1]) : null,
            await reads.CountOpenAsync(tenantId, context.RequestAborted)
        );
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, page, WireJson.Default.ReviewPage);
    }

    public async Task GetAsync(HttpContext context)
    {
        var (refusal, review) = await FindAsync(context);
        await AnswerAsync(context, refusal, review);
    }

    public async Task ClaimAsync(HttpContext context)
    {
        var (refusal, review) = await FindAsync(context);
        if (refusal is null)
        {
            var by = context.User.GetCaller().KeyId;
            var claimed = await claims.ClaimAsync(context.WaitOf(review), by, options.Value.ClaimFor, context.RequestAborted);
            (refusal, review) = await FindAsync(context);
            refusal ??= claimed ? null : ReviewAddress.RefuseDecision(review, by, null) ?? Moved(review);
        }

        await AnswerAsync(context, refusal, review);
    }

    public async Task ReleaseAsync(HttpContext context)
    {
        var (refusal, review) = await FindAsync(context);
        if (refusal is null)
        {
            var by = context.User.GetCaller().KeyId;
            await claims.ReleaseAsync(context.WaitOf(review), by, context.RequestAborted);
            (refusal, review) = await FindAsync(context);
            refusal ??= ReviewAddress.RefuseDecision(review, by, null);
        }

        await AnswerAsync(context, refusal, review);
    }

    /// <summary>It was somebody's when it was claimed, and is free again.</summary>
    private static Refusal Moved(Review review) =>
        ProblemTypes.ReviewChanged.With($"Review {review.Id} was changed at the same moment. Try again.");

    private async Task<(Refusal? Refusal, Review Review)> FindAsync(HttpContext context) =>
        QueryParameters.CheckNames(context.Request) is { } unknown ? (unknown, null!) : await context.FindReviewAsync(reads);

    private static Task AnswerAsync(HttpContext context, Refusal? refusal, Review review) =>
        refusal is null
            ? JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, review, WireJson.Default.Review)
            : context.RefuseAsync(refusal);
}
