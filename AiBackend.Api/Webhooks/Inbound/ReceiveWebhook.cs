using System.Security.Claims;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Webhooks;
using AiBackend.Core.Jobs;
using AiBackend.Core.Webhooks.Inbound;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace AiBackend.Api.Webhooks.Inbound;

/// <summary><c>POST /api/v1/webhooks/inbound/{id}/messages</c>: anybody may knock, and only who knows the secret comes in.</summary>
internal sealed class ReceiveWebhook(
    SourceStore sources,
    WebhookReceipts receipts,
    InboundJob jobs,
    JobAcceptance acceptance,
    JobIds ids,
    AttemptLimits attempts,
    TimeProvider clock
)
{
    private const int MostBytes = 256 * 1024;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    // One text for an unknown source and for a wrong signature: nobody learns which sources exist.
    private static readonly Refusal Unproven = ProblemTypes.InvalidSignature.With(
        "No signature in webhook-signature was made with the secret of this source over webhook-id, webhook-timestamp and the exact body."
    );

    public async Task HandleAsync(HttpContext context)
    {
        var address = context.Connection.RemoteIpAddress;
        if (attempts.IsOver(address) && attempts.CountFailure(address) is { } over)
        {
            await context.RefuseAsync(over);
            return;
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = MostBytes;
        }

        var headers = context.Request.Headers;
        var (id, timestamp, signatures) = (
            One(headers["webhook-id"]),
            One(headers["webhook-timestamp"]),
            One(headers["webhook-signature"])
        );
        var refusal =
            QueryParameters.CheckNames(context.Request)
            ?? (
                WebhookSignature.Fault(id, timestamp, signatures, clock.GetUtcNow()) is { } fault
                    ? ProblemTypes.InvalidSignature.With(fault)
                    : null
            );
        if (refusal is null)
        {
            refusal = await OpenAsync(context) is { } open ? await ReadAsync(context, open, (id!, timestamp!, signatures!)) : Unproven;
        }

        if (refusal?.Type == ProblemTypes.InvalidSignature)
        {
            refusal = attempts.CountFailure(address) ?? refusal;
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    private async Task<Refusal?> ReadAsync(HttpContext context, OpenSource open, (string Id, string Timestamp, string Signatures) proof)
    {
        using var body = await RequestBody.ReadAsync(context.Request);
        return WebhookSignature.IsValid(proof.Id, proof.Timestamp, proof.Signatures, body.Bytes.Span, open.Secrets)
            ? await TakeAsync(context, open, proof.Id, body.Bytes)
            : Unproven;
    }

    private async Task<OpenSource?> OpenAsync(HttpContext context) =>
        Guid.TryParse((string)context.Request.RouteValues["id"]!, out var id) ? await sources.OpenAsync(id, context.RequestAborted) : null;

    /// <returns>Why it becomes no job, or null when the answer has been sent.</returns>
    private async Task<Refusal?> TakeAsync(HttpContext context, OpenSource open, string messageId, ReadOnlyMemory<byte> body)
    {
        var source = open.Source;
        if (ReadMessage(body) is not { } message)
        {
            return ProblemTypes.InvalidJson.With(
                "The body is not one JSON object without duplicate members, at most 32 levels deep, with whole characters."
            );
        }

        using (message)
        {
            var template = JsonSerializer.Deserialize(source.Template, WireJson.Default.WebhookJobTemplate)!;
            // Proven: from here on the request acts for the key that made the source.
            context.User = new ClaimsPrincipal(new CallerIdentity(open.Caller));
            if (jobs.Read(template, message.RootElement, open.Caller, out var draft) is { } refusal)
            {
                return refusal;
            }

            var (jobId, isThere) = await receipts.ClaimAsync(source, messageId, ids.Next(), context.RequestAborted);
            if (!isThere)
            {
                if (await acceptance.AcceptAsync(context, draft with { Id = jobId }) is Acceptance.Refused(var why))
                {
                    return why;
                }

                // None: the job is there, whether or not the sender still listens; the command timeout bounds it.
                await receipts.AcceptAsync(source, messageId, CancellationToken.None);
            }

            var status = isThere ? StatusCodes.Status200OK : StatusCodes.Status202Accepted;
            await JsonAnswer.WriteAsync(context, status, new WebhookReceipt(jobId, isThere), WireJson.Default.WebhookReceipt);
            return null;
        }
    }

    private static JsonDocument? ReadMessage(ReadOnlyMemory<byte> body)
    {
        try
        {
            CheckText(body.Span);
            var message = JsonDocument.Parse(body, Strict);
            if (message.RootElement.ValueKind == JsonValueKind.Object)
            {
                return message;
            }

            message.Dispose();
            return null;
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <exception cref="InvalidOperationException">There is half a character, such as <c>\ud800</c>, which no text can have.</exception>
    private static void CheckText(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = Strict.MaxDepth });
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
            {
                reader.GetString();
            }
        }
    }

    private static string? One(StringValues values) => values.Count == 1 ? values[0] : null;
}
