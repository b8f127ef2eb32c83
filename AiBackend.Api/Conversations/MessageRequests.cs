using System.Globalization;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Conversations;
using AiBackend.Core.Conversations;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Conversations;

/// <summary><c>/api/v1/conversations/{id}/messages</c>: what was said.</summary>
internal sealed class MessageRequests(ConversationStore store, IOptions<ConversationOptions> options)
{
    private const int MaxPage = 200;
    private const int UsualPage = 50;

    public async Task ListAsync(HttpContext context)
    {
        var refusal =
            QueryParameters.CheckNames(context.Request, "limit", "after")
            ?? QueryParameters.TryReadNumber(context.Request, "limit", 1, MaxPage, UsualPage, out _)
            ?? QueryParameters.TryReadNumber(context.Request, "after", 0, int.MaxValue, 0, out _);
        QueryParameters.TryReadNumber(context.Request, "limit", 1, MaxPage, UsualPage, out var limit);
        QueryParameters.TryReadNumber(context.Request, "after", 0, int.MaxValue, 0, out var after);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var tenant = context.GetTenantId();
        if (context.JobId() is not { } id || await store.FindStateAsync(tenant, id, context.RequestAborted) is null)
        {
            await ConversationRequests.RefuseUnknownAsync(context);
            return;
        }

        var page = await store.MessagesAsync(tenant, id, after, limit, context.RequestAborted);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, page, WireJson.Default.ConversationMessages);
    }

    public async Task PostAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.NewMessages);
        refusal ??= QueryParameters.CheckNames(context.Request);
        var tenant = context.GetTenantId();
        if (
            refusal is null
            && (context.JobId() is not { } known || await store.FindStateAsync(tenant, known, context.RequestAborted) is null)
        )
        {
            await ConversationRequests.RefuseUnknownAsync(context);
            return;
        }

        if ((refusal ??= ConversationRules.Check(request)) is null && context.JobId() is { } id)
        {
            var most = options.Value.MaxMessages;
            var added = await store.AppendAsync(tenant, id, request.Messages!, most, context.RequestAborted);
            if (added.Count > 0)
            {
                var page = new ConversationMessages(added, null);
                await JsonAnswer.WriteAsync(context, StatusCodes.Status201Created, page, WireJson.Default.ConversationMessages);
                return;
            }

            refusal = OpenTurns.Full(id, most);
        }

        await context.RefuseAsync(refusal!);
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var text = (string)context.Request.RouteValues["seq"]!;
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            await context.RefuseAsync(unknown);
        }
        else if (context.JobId() is not { } id || await store.FindStateAsync(context.GetTenantId(), id, context.RequestAborted) is null)
        {
            await ConversationRequests.RefuseUnknownAsync(context);
        }
        else if (
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seq)
            && await store.DeleteMessageAsync(context.GetTenantId(), id, seq, context.RequestAborted)
        )
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        }
        else
        {
            await context.RefuseAsync(
                ProblemTypes.MessageNotFound.With(
                    $"The conversation {id} has no message {Quoted.Of(text)}. GET /api/v1/conversations/{id}/messages lists them."
                )
            );
        }
    }
}
