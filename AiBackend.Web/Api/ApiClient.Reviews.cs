using AiBackend.ApiContracts.Reviews;
using static System.FormattableString;

namespace AiBackend.Web.Api;

/// <content>Reviews.</content>
internal sealed partial class ApiClient
{
    public Task<ApiResult<ReviewPage>> ListReviewsAsync(string state, int limit, string? cursor, CancellationToken cancellationToken) =>
        GetAsync(
            WithCursor(Invariant($"api/v1/reviews?limit={limit}&state={state}"), cursor),
            ClientJson.Lenient.ReviewPage,
            cancellationToken
        );

    public Task<ApiResult<Review>> GetReviewAsync(string id, CancellationToken cancellationToken) =>
        GetAsync(PathOf(id), ClientJson.Lenient.Review, cancellationToken);

    public Task<ApiResult<Review>> ClaimReviewAsync(string id, CancellationToken cancellationToken) =>
        ActAsync(new(HttpMethod.Post, PathOf(id) + "/claim"), ClientJson.Lenient.Review, cancellationToken);

    public Task<ApiResult<Review>> ReleaseReviewAsync(string id, CancellationToken cancellationToken) =>
        ActAsync(new(HttpMethod.Post, PathOf(id) + "/release"), ClientJson.Lenient.Review, cancellationToken);

    public Task<ApiResult<Review>> ApproveReviewAsync(string id, ApproveReviewRequest request, CancellationToken cancellationToken) =>
        PostAsync(
            PathOf(id) + "/approve",
            request,
            ClientJson.Lenient.ApproveReviewRequest,
            null,
            ClientJson.Lenient.Review,
            cancellationToken
        );

    public Task<ApiResult<Review>> RejectReviewAsync(string id, RejectReviewRequest request, CancellationToken cancellationToken) =>
        PostAsync(
            PathOf(id) + "/reject",
            request,
            ClientJson.Lenient.RejectReviewRequest,
            null,
            ClientJson.Lenient.Review,
            cancellationToken
        );

    private static string PathOf(string id) => "api/v1/reviews/" + Uri.EscapeDataString(id);
}
