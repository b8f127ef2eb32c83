using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Conversations;

namespace AiBackend.Api.Conversations;

/// <summary><c>/api/v1/conversations</c>: threads of messages that jobs continue.</summary>
internal sealed class ConversationRequests(ConversationStore store, BranchConversation branch, TimeProvider clock)
{
    private const string Filters = "conversations";
    private const int MaxPage = 200;
    private const int UsualPage = 50;

    public async Task PostAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.NewConversation);
        refusal ??= QueryParameters.CheckNames(context.Request) ?? ConversationRules.Check(request);
        Conversation? made = null;
        if (refusal is null)
        {
            var caller = context.User.GetCaller();
            var id = Guid.CreateVersion7(clock.GetUtcNow());
            made = await store.AddAsync(caller.TenantId, id, request, caller.KeyId, context.RequestAborted);
            refusal = made is null
                ? ProblemTypes.TenantNotFound.With("The tenant is being deleted; it takes no conversations any more.")
                : null;
        }

        await AnswerMadeAsync(context, refusal, made);
    }

    public async Task BranchAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.BranchRequest);
        var caller = context.User.GetCaller();
        if (
            refusal is null
            && (context.JobId() is not { } known || await store.FindStateAsync(caller.TenantId, known, context.RequestAborted) is null)
        )
        {
            await RefuseUnknownAsync(context);
            return;
        }

        Conversation? made = null;
        if (
            (refusal ??= QueryParameters.CheckNames(context.Request) ?? ConversationRules.Check(request)) is null
            && context.JobId() is { } id
        )
        {
            var newId = Guid.CreateVersion7(clock.GetUtcNow());
            made = await branch.RunAsync(caller.TenantId, id, newId, request, caller.KeyId, context.RequestAborted);
            refusal = made is null
                ? ProblemTypes.InvalidValue.At(
                    "after",
                    FormattableString.Invariant($"after is {request.After}; the conversation {id} has no such message yet.")
                )
                : null;
        }

        await AnswerMadeAsync(context, refusal, made);
    }

    private static Task AnswerMadeAsync(HttpContext context, Refusal? refusal, Conversation? made)
    {
        if (refusal is not null)
        {
            return context.RefuseAsync(refusal);
        }

        context.Response.Headers.Location = $"/api/v1/conversations/{made!.Id}";
        return JsonAnswer.WriteAsync(context, StatusCodes.Status201Created, made, WireJson.Default.Conversation);
    }

    public async Task ListAsync(HttpContext context)
    {
        var refusal =
            QueryParameters.CheckNames(context.Request, "limit", "cursor")
            ?? QueryParameters.TryReadNumber(context.Request, "limit", 1, MaxPage, UsualPage, out _)
            ?? QueryParameters.TryReadText(context.Request, "cursor", out _);
        QueryParameters.TryReadNumber(context.Request, "limit", 1, MaxPage, UsualPage, out var limit);
        QueryParameters.TryReadText(context.Request, "cursor", out var cursor);
        var after = cursor is null ? null : JobCursor.Read(cursor, Filters);
        if (refusal is null && cursor is not null && after is null)
        {
            refusal = ProblemTypes.BadCursor.With($"The cursor {Quoted.Of(cursor)} is not one of this list. Begin without one.");
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var found = await store.ListAsync(context.GetTenantId(), after, limit + 1, context.RequestAborted);
        var page = new ConversationList([.. found.Take(limit)], found.Count > limit ? JobCursor.Write(found[limit - 1].Id, Filters) : null);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, page, WireJson.Default.ConversationList);
    }

    public async Task GetAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var found = context.JobId() is { } id ? await store.FindAsync(context.GetTenantId(), id, context.RequestAborted) : null;
        await (
            found is null
                ? RefuseUnknownAsync(context)
                : JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, found, WireJson.Default.Conversation)
        );
    }

    public async Task DeleteAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var tenant = context.GetTenantId();
        if (context.JobId() is not { } id || await store.FindStateAsync(tenant, id, context.RequestAborted) is not { } state)
        {
            await RefuseUnknownAsync(context);
        }
        else if (state.OpenJob is { } open)
        {
            await context.RefuseAsync(
                ProblemTypes.ConversationBusy.With(
                    $"Job {open} of the conversation {id} has not ended. Cancel it, and delete the conversation then."
                )
            );
        }
        else if (await store.DeleteAsync(tenant, id, context.RequestAborted))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        }
        else
        {
            await RefuseUnknownAsync(context);
        }
    }

    /// <summary>One answer for a malformed id, an unknown conversation and another tenant's, so that they cannot be told apart.</summary>
    internal static Task RefuseUnknownAsync(HttpContext context) =>
        context.RefuseAsync(
            ProblemTypes.ConversationNotFound.With(
                $"There is no conversation {Quoted.Of(context.Request.RouteValues["id"] as string ?? "")}. Check the id, and that the key belongs to the tenant that made it."
            )
        );
}
