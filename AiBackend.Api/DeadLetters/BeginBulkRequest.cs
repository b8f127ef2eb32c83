using System.Diagnostics;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.Core.DeadLetters.Bulk;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.DeadLetters;

/// <summary><c>POST /api/v1/dead-letters/replay</c> and <c>/discard</c>: many letters at once, carried out by the leading worker.</summary>
internal sealed class BeginBulkRequest(BeginBulkAction begin, PreviewBulkAction preview, BulkReads actions, BulkRules rules)
{
    public Task ReplayAsync(HttpContext context) => HandleAsync(context, BulkKind.Replay);

    public Task DiscardAsync(HttpContext context) => HandleAsync(context, BulkKind.Discard);

    private async Task HandleAsync(HttpContext context, BulkKind kind)
    {
        var refusal = SubmitHeaders.Check(context.Request, out var idempotencyKey);
        if (refusal is null)
        {
            (refusal, var order, var dryRun) = await ReadAsync(context, kind);
            if (refusal is null && dryRun)
            {
                var found = await preview.RunAsync(order.Selection, context.RequestAborted);
                await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, found, WireJson.Default.BulkPreview);
                return;
            }

            refusal ??= await BeginAsync(context, order with { IdempotencyKey = idempotencyKey });
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    private async Task<(Refusal? Refusal, BulkOrder Order, bool DryRun)> ReadAsync(HttpContext context, BulkKind kind)
    {
        using var body = await RequestBody.ReadAsync(context.Request);
        var refusal = Read(body.Bytes.Span, context.User.GetCaller(), kind, out var order, out var dryRun);
        return (refusal, order, dryRun);
    }

    private Refusal? Read(ReadOnlySpan<byte> body, Caller caller, BulkKind kind, out BulkOrder order, out bool dryRun) =>
        kind == BulkKind.Replay
            ? rules.TryReadReplay(body, caller, out order, out dryRun)
            : BulkRules.TryReadDiscard(body, caller, out order, out dryRun);

    /// <returns>Why nothing was begun, or null when the answer has been sent.</returns>
    private async Task<Refusal?> BeginAsync(HttpContext context, BulkOrder order)
    {
        switch (await begin.RunAsync(order, context.RequestAborted))
        {
            case BeginOutcome.Begun(var id, var repeat):
                var action =
                    await actions.FindAsync(order.Selection.TenantId, id, context.RequestAborted) ?? throw new UnreachableException();
                context.Response.Headers.Location = $"/api/v1/bulk/{id}";
                if (repeat)
                {
                    context.Response.Headers["Idempotent-Replayed"] = "true";
                }

                await JsonAnswer.WriteAsync(context, StatusCodes.Status202Accepted, action, WireJson.Default.BulkAction);
                return null;
            case BeginOutcome.KeyReused(var id):
                return ProblemTypes.IdempotencyKeyReused.With(
                    $"The Idempotency-Key {Quoted.Of(order.IdempotencyKey!)} belongs to bulk action {id}, which was begun with another body. Use a new key for a new request."
                );
            case BeginOutcome.TooMany(_):
                return ProblemTypes.InvalidValue.At(
                    "filter",
                    $"filter takes more than {BeginBulkAction.MaxLetters} dead letters, which is the most for one action. Narrow it, for example by fingerprint or before."
                );
            case BeginOutcome.TooManyRunning(var running):
                return ProblemTypes.TooManyBulkActions.With(
                    $"{running} bulk actions of this tenant are running, and {BeginBulkAction.MaxRunning} may. Wait until one has ended, or cancel one with POST /api/v1/bulk/{{id}}/cancel; GET /api/v1/bulk lists them."
                );
            default:
                throw new UnreachableException();
        }
    }
}
