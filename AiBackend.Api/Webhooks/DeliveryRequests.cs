using System.Text.Json;
using AiBackend.Api.Jobs;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Webhooks;
using AiBackend.Core.Webhooks;

namespace AiBackend.Api.Webhooks;

/// <summary><c>/api/v1/webhooks/{id}/deliveries</c>: what was sent, how it went, and sending it again.</summary>
internal sealed class DeliveryRequests(WebhookRequests endpoints, DeliveryReads reads, DeliveryStore store, TimeProvider clock)
{
    /// <summary>Of messages' ids.</summary>
    public const string Prefix = "msg_";

    private const int DefaultLimit = 50;
    private const int MostLimit = 200;

    private static readonly string[] States = ["waiting", "delivered", "given_up"];

    public async Task ListAsync(HttpContext context)
    {
        var (refusal, endpoint) = await endpoints.FindAsync(context, "state", "limit", "cursor");
        string? state = null;
        string? cursor = null;
        var limit = DefaultLimit;
        refusal ??=
            QueryParameters.TryReadText(context.Request, "state", out state)
            ?? QueryParameters.TryReadText(context.Request, "cursor", out cursor)
            ?? QueryParameters.TryReadNumber(context.Request, "limit", 1, MostLimit, DefaultLimit, out limit)
            ?? (
                state is null || States.Contains(state, StringComparer.Ordinal)
                    ? null
                    : ProblemTypes.InvalidValue.At("state", $"state is {Quoted.Of(state)}; it must be one of {string.Join(", ", States)}.")
            );
        var filters = $"{endpoint?.Id:N} {state}";
        var before = cursor is null ? null : JobCursor.Read(cursor, filters);
        if (refusal is null && cursor is not null && before is null)
        {
            refusal = ProblemTypes.BadCursor.At("cursor", $"cursor is {Quoted.Of(cursor)}, which is none of this list. Begin without one.");
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var wanted = state is null ? null : (DeliveryState?)Array.IndexOf(States, state);
        var found = await reads.ListAsync(endpoint!.TenantId, endpoint.Id, wanted, before, limit, context.RequestAborted);
        var next = found.Count == limit ? JobCursor.Write(IdOf(found[^1].Id)!.Value, filters) : null;
        var page = new WebhookDeliveryPage(found, next);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, page, WireJson.Default.WebhookDeliveryPage);
    }

    public async Task ResendAsync(HttpContext context)
    {
        var (refusal, endpoint) = await endpoints.FindAsync(context);
        var name = (string)context.Request.RouteValues["message"]!;
        var sent =
            refusal is null && IdOf(name) is { } id
                ? await reads.ResendAsync(endpoint!.TenantId, endpoint.Id, id, context.RequestAborted)
                : null;
        refusal ??= sent is null
            ? ProblemTypes.DeliveryNotFound.With(
                $"There is no message {Quoted.Of(name)} to this webhook; messages are kept for 30 days after their end. GET /api/v1/webhooks/{endpoint!.Id}/deliveries lists them."
            )
            : null;
        await AnswerAsync(context, refusal, sent);
    }

    public async Task TestAsync(HttpContext context)
    {
        var (refusal, endpoint) = await endpoints.FindAsync(context);
        refusal ??= endpoint switch
        {
            { Url: null } => ProblemTypes.NoWebhookSecret.With("This webhook has no address of its own to send a test to."),
            { Enabled: false } => ProblemTypes.InvalidValue.With(
                "The webhook is disabled. Enable it first: PATCH with {\"enabled\": true}."
            ),
            _ => null,
        };
        WebhookDelivery? written = null;
        if (refusal is null)
        {
            var id = Guid.CreateVersion7();
            var message = new WebhookTestMessage(WebhookEvents.Test, clock.GetUtcNow(), new WebhookTestData(endpoint!.Id));
            var body = JsonSerializer.Serialize(message, WireJson.Default.WebhookTestMessage);
            await store.AddAsync(
                WebhookEndpoint.NameOf(endpoint.Id),
                id,
                endpoint.TenantId,
                WebhookEvents.Test,
                endpoint.Id,
                body,
                context.RequestAborted
            );
            written = await reads.FindAsync(endpoint.TenantId, endpoint.Id, id, context.RequestAborted);
        }

        await AnswerAsync(context, refusal, written);
    }

    private static Task AnswerAsync(HttpContext context, Refusal? refusal, WebhookDelivery? delivery) =>
        refusal is null
            ? JsonAnswer.WriteAsync(context, StatusCodes.Status202Accepted, delivery!, WireJson.Default.WebhookDelivery)
            : context.RefuseAsync(refusal);

    private static Guid? IdOf(string name) =>
        name.StartsWith(Prefix, StringComparison.Ordinal) && Guid.TryParseExact(name.AsSpan(Prefix.Length), "N", out var id) ? id : null;
}
