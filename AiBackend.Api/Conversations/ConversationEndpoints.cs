using AiBackend.Api.Audit;
using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Conversations;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Conversations;

/// <summary>Conversations at a glance. They are continued by jobs: <c>POST /api/v1/jobs</c> with <c>conversation</c>.</summary>
internal static class ConversationEndpoints
{
    private static readonly DescribedParameter[] OfOne = [Path("id", "The conversation.")];

    public static void AddConversationRequests(this IHostApplicationBuilder builder)
    {
        builder.AddConversations();
        builder
            .Services.AddSingleton<OpenTurns>()
            .AddSingleton<ConversationRequests>()
            .AddSingleton<MessageRequests>()
            .AddSingleton<ProfileRequests>();
    }

    public static void MapConversations(this IEndpointRouteBuilder app)
    {
        var requests = app.ServiceProvider.GetRequiredService<ConversationRequests>();
        var group = app.MapGroup("/api/v1/conversations").WithTags("Conversations");
        group
            .MapPost("", requests.PostAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .Describe(
                "AddConversation",
                "Begin a conversation",
                "Jobs continue it with `conversation`. It may begin with messages from elsewhere.",
                null,
                [.. ProblemTypes.OfBody]
            )
            .Answers<Conversation>(StatusCodes.Status201Created, "The conversation.")
            .Takes<NewConversation>();
        group
            .MapGet("", requests.ListAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "ListConversations",
                "List conversations",
                "Newest first, without their messages.",
                [
                    QueryNumber("limit", "Conversations on a page, 1 to 200; 50 by default."),
                    Query("cursor", "`next_cursor` of the page before."),
                ],
                ProblemTypes.InvalidValue,
                ProblemTypes.BadCursor
            )
            .Answers<ConversationList>(StatusCodes.Status200OK, "A page.");
        group
            .MapGet("/{id}", requests.GetAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe("GetConversation", "Read a conversation", "Without its messages.", OfOne, ProblemTypes.ConversationNotFound)
            .Answers<Conversation>(StatusCodes.Status200OK, "The conversation.");
        group
            .MapDelete("/{id}", requests.DeleteAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .Audited()
            .Describe(
                "DeleteConversation",
                "Delete a conversation",
                "With all its messages. Its jobs stay until they are deleted or too old, and so do its branches.",
                OfOne,
                ProblemTypes.ConversationNotFound,
                ProblemTypes.ConversationBusy
            )
            .Means(StatusCodes.Status204NoContent, "It is gone.");
        group.MapBranch(requests);
        group.MapMessages(app.ServiceProvider.GetRequiredService<MessageRequests>());
        app.MapProfiles();
    }

    private static void MapBranch(this IEndpointRouteBuilder group, ConversationRequests requests) =>
        group
            .MapPost("/{id}/branch", requests.BranchAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .Describe(
                "BranchConversation",
                "Branch a conversation",
                "Begins another one with copies of the messages up to one of them: to say the next thing otherwise, or to try two answers.",
                OfOne,
                [.. ProblemTypes.OfBody, ProblemTypes.ConversationNotFound]
            )
            .Answers<Conversation>(StatusCodes.Status201Created, "The new conversation.")
            .Takes<BranchRequest>();

    private static void MapProfiles(this IEndpointRouteBuilder app)
    {
        var requests = app.ServiceProvider.GetRequiredService<ProfileRequests>();
        var group = app.MapGroup("/api/v1/profiles/{user}").WithTags("Conversations");
        DescribedParameter[] ofUser = [Path("user", "The caller's own user, as conversations name it; at most 128 characters.")];
        group
            .MapPut("", requests.PutAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .Audited()
            .Describe(
                "SetProfile",
                "Write a user's profile",
                "In place of what was there. Models are told it in every conversation of the user, as data. Only callers write profiles: no job does.",
                ofUser,
                [.. ProblemTypes.OfBody]
            )
            .Answers<UserProfile>(StatusCodes.Status200OK, "The profile.")
            .Takes<UserProfileRequest>();
        group
            .MapGet("", requests.GetAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe("GetProfile", "Read a user's profile", "As it was written last.", ofUser, ProblemTypes.ProfileNotFound)
            .Answers<UserProfile>(StatusCodes.Status200OK, "The profile.");
        group
            .MapDelete("", requests.DeleteAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .Audited()
            .Describe("DeleteProfile", "Delete a user's profile", "Models are not told it any more.", ofUser, ProblemTypes.ProfileNotFound)
            .Means(StatusCodes.Status204NoContent, "It is gone.");
    }

    private static void MapMessages(this IEndpointRouteBuilder group, MessageRequests requests)
    {
        group
            .MapGet("/{id}/messages", requests.ListAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "ListMessages",
                "List the messages of a conversation",
                "Oldest first, each with the job that it comes from.",
                [
                    .. OfOne,
                    QueryNumber("after", "Only messages behind this number; 0 by default."),
                    QueryNumber(
                        "limit",
                        "Messages on a page, 1 to 200; 50 by default. Fewer when they are more than 4 MiB together; `next_after` says whether there are others."
                    ),
                ],
                ProblemTypes.InvalidValue,
                ProblemTypes.ConversationNotFound
            )
            .Answers<ConversationMessages>(StatusCodes.Status200OK, "A page.");
        group
            .MapPost("/{id}/messages", requests.PostAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .Describe(
                "AddMessages",
                "Add messages from elsewhere",
                "At the end of the conversation, without asking a model. A job that has begun was not given them.",
                OfOne,
                [.. ProblemTypes.OfBody, ProblemTypes.ConversationNotFound, ProblemTypes.ConversationFull]
            )
            .Answers<ConversationMessages>(StatusCodes.Status201Created, "The messages, with their numbers.")
            .Takes<NewMessages>();
        group
            .MapDelete("/{id}/messages/{seq}", requests.DeleteAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .Audited()
            .Describe(
                "DeleteMessage",
                "Delete a message",
                "No model is given it any more, nor a summary that was made of it. `DELETE /api/v1/jobs/{id}` deletes all messages of a job, wherever they were copied.",
                [.. OfOne, Path("seq", "Number of the message.")],
                ProblemTypes.ConversationNotFound,
                ProblemTypes.MessageNotFound
            )
            .Means(StatusCodes.Status204NoContent, "It is gone.");
    }
}
