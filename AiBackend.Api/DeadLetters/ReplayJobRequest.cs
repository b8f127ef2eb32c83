using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.DeadLetters;

/// <summary><c>POST /api/v1/jobs/{id}/replay</c>: an ended job again, as a new one.</summary>
internal sealed class ReplayJobRequest(ReplayJob replay, ReplayEdits edits, JobRequestRules rules, AcceptedJob accepted)
{
    public async Task HandleAsync(HttpContext context)
    {
        if (SubmitHeaders.CheckOptional(context.Request, out var idempotencyKey) is { } badHeader)
        {
            await context.RefuseAsync(badHeader);
            return;
        }

        var caller = context.User.GetCaller();
        if (context.JobId() is not { } id || await replay.FindAsync(caller.TenantId, id, context.RequestAborted) is not { } source)
        {
            await context.RefuseUnknownJobAsync();
            return;
        }

        var (refusal, order) = await ReadAsync(context, source, new ReplayOrder(caller.TenantId, id, caller.KeyId), idempotencyKey);
        if (refusal is null)
        {
            refusal = await RunAsync(context, source, order);
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    private async Task<(Refusal? Refusal, ReplayOrder Order)> ReadAsync(
        HttpContext context,
        ReplaySource source,
        ReplayOrder order,
        string? idempotencyKey
    )
    {
        using var body = await RequestBody.ReadAsync(context.Request);
        var request = new ReplayRequest();
        if (!body.Bytes.IsEmpty && ReplayEdits.TryRead(body.Bytes.Span, source.Type, out request, ref order) is { } badBody)
        {
            return (badBody, order);
        }

        if (!source.Status.IsTerminal())
        {
            return (
                ProblemTypes.JobNotEnded.With(
                    $"Job {order.JobId} is {source.Status.ToWire()}. Only a job that has ended can be replayed; wait for its end, or cancel it first."
                ),
                order
            );
        }

        order = order with
        {
            TraceParent = Activity.Current?.Id,
            IdempotencyKey = idempotencyKey,
            Fingerprint = idempotencyKey is null ? null : MeaningOf(order, ReplayEdits.WordsOf(request, order)),
        };
        // What exists already was fine then, whatever is configured now.
        return source.ReplayedBy is null ? await EditAsync(context, source, order, request) : (null, order);
    }

    private async Task<(Refusal? Refusal, ReplayOrder Order)> EditAsync(
        HttpContext context,
        ReplaySource source,
        ReplayOrder order,
        ReplayRequest request
    )
    {
        var caller = context.User.GetCaller();
        (var refusal, order) = await edits.ApplyAsync(context, source, order, request);
        refusal ??=
            rules.RefuseModel(order.Model ?? source.Model)
            ?? rules.RefusePriority(source.Priority, caller)
            ?? CallerRights.RefuseModel(caller, order.Model ?? source.Model)
            ?? CallerRights.RefuseRetrieval(caller, JobTerms.Read(order.Terms ?? source.Terms));
        // Another prompt may bring another contract, and so other models that are to judge the answer.
        foreach (var judge in refusal is null ? JobTerms.Read(order.Terms ?? source.Terms).Judges : [])
        {
            refusal ??= CallerRights.RefuseModel(caller, judge) ?? await rules.RefuseUnknownAsync(judge, context.RequestAborted);
        }

        return (refusal, order);
    }

    private static byte[] MeaningOf(ReplayOrder order, string words) =>
        // U+0000 is refused in every string, so it separates without any escaping.
        SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', "1", order.JobId.ToString(), order.Model, words)));

    /// <returns>Why there is no job, or null when the answer has been sent.</returns>
    private async Task<Refusal?> RunAsync(HttpContext context, ReplaySource source, ReplayOrder order)
    {
        switch (await replay.RunAsync(source, order, context.RequestAborted))
        {
            case ReplayOutcome.Done(var newId, var repeat):
                if (await accepted.AsOfThenAsync(order.TenantId, newId, context.RequestAborted) is not { } job)
                {
                    return AcceptedJob.Deleted(newId);
                }

                context.Response.Headers.Location = job.Links.Self;
                if (repeat)
                {
                    context.Response.Headers[IdempotencyKey.RepeatHeader] = "true";
                }

                await JsonAnswer.WriteAsync(context, StatusCodes.Status202Accepted, job, WireJson.Default.Job);
                return null;
            case ReplayOutcome.KeyReused(var newId):
                return ProblemTypes.IdempotencyKeyReused.With(
                    $"The Idempotency-Key {Quoted.Of(order.IdempotencyKey!)} belongs to job {newId}, which replays another job or was edited otherwise. Use a new key for a new request."
                );
            case ReplayOutcome.NotFound:
                await context.RefuseUnknownJobAsync();
                return null;
            default:
                throw new UnreachableException();
        }
    }
}
