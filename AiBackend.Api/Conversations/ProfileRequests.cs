using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Conversations;

namespace AiBackend.Api.Conversations;

/// <summary><c>/api/v1/profiles/{user}</c>: what models are told of a caller's user.</summary>
internal sealed class ProfileRequests(ProfileStore store)
{
    public async Task PutAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.UserProfileRequest);
        refusal ??= QueryParameters.CheckNames(context.Request) ?? ConversationRules.Check(UserOf(context), request);
        UserProfile? put = null;
        if (refusal is null)
        {
            var caller = context.User.GetCaller();
            put = await store.PutAsync(caller.TenantId, UserOf(context), request.Text!, caller.KeyId, context.RequestAborted);
            refusal = put is null ? ProblemTypes.TenantNotFound.With("The tenant is being deleted; it takes no profiles any more.") : null;
        }

        await AnswerAsync(context, refusal, put);
    }

    public async Task GetAsync(HttpContext context)
    {
        var refusal = QueryParameters.CheckNames(context.Request);
        var found = refusal is null ? await store.FindAsync(context.GetTenantId(), UserOf(context), context.RequestAborted) : null;
        await AnswerAsync(context, refusal ?? (found is null ? Unknown(context) : null), found);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var refusal = QueryParameters.CheckNames(context.Request);
        if (refusal is null && await store.DeleteAsync(context.GetTenantId(), UserOf(context), context.RequestAborted))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        await context.RefuseAsync(refusal ?? Unknown(context));
    }

    private static Task AnswerAsync(HttpContext context, Refusal? refusal, UserProfile? profile) =>
        refusal is null
            ? JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, profile!, WireJson.Default.UserProfile)
            : context.RefuseAsync(refusal);

    private static string UserOf(HttpContext context) => (string)context.Request.RouteValues["user"]!;

    private static Refusal Unknown(HttpContext context) =>
        ProblemTypes.ProfileNotFound.With($"Nothing is known of the user {Quoted.Of(UserOf(context))}. PUT writes a profile.");
}
