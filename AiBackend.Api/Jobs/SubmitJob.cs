using System.Diagnostics;
using System.Globalization;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Jobs;

/// <summary><c>POST /api/v1/jobs</c>: a job is durable before its id is given out.</summary>
/// <remarks>The busiest endpoint: no model binding, one pass over the body, one group commit, one write of the answer.</remarks>
internal sealed class SubmitJob(
    JobSubmission submission,
    JobRequestRules rules,
    DownRoute downRoute,
    HeldBack heldBack,
    FullQueue fullQueue,
    AcceptedJob accepted,
    JobReads jobs,
    JobWait wait,
    TimeProvider clock
)
{
    // Longer than any healthy commit, shorter than a caller's patience.
    private static readonly TimeSpan CommitPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan OverloadPause = TimeSpan.FromSeconds(2);

    // Says that the job was accepted; nothing ends with it.
    private const int FirstEvent = 1;

    public async Task HandleAsync(HttpContext context)
    {
        var refusal = SubmitHeaders.Check(context.Request, out var idempotencyKey);
        if (refusal is null)
        {
            (refusal, var draft) = await ReadAsync(context, idempotencyKey);
            if (refusal is null)
            {
                refusal = await SubmitAsync(context, draft);
            }
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    private async ValueTask<(Refusal? Refusal, JobDraft Draft)> ReadAsync(HttpContext context, string? idempotencyKey)
    {
        using var body = await RequestBody.ReadAsync(context.Request);
        var refusal = rules.TryRead(body.Bytes.Span, context.User.GetCaller(), idempotencyKey, out var draft);
        return (refusal, draft);
    }

    /// <returns>Why there is no job, or null when the answer has been sent.</returns>
    private async Task<Refusal?> SubmitAsync(HttpContext context, JobDraft draft)
    {
        SubmitOutcome? outcome;
        (var refusal, draft) = await RefuseNowAsync(draft, context.User.GetCaller(), context.RequestAborted);
        if (refusal is not null)
        {
            // What was fine when the request first came is still answered as then, even if it would be refused today.
            outcome = draft.IdempotencyKey is null ? null : await submission.FindRepeatAsync(draft, context.RequestAborted);
            if (outcome is null)
            {
                return refusal;
            }
        }
        else
        {
            // None: a caller that leaves has submitted all the same; the patience bounds the wait.
            outcome = await submission.SubmitAsync(draft).WaitAsync(CommitPatience, clock, CancellationToken.None);
        }

        switch (outcome)
        {
            case SubmitOutcome.Accepted(var createdAt):
                await AnswerAsync(context, AcceptedJob.Of(draft, createdAt));
                return null;
            case SubmitOutcome.Replayed(var jobId):
                context.Response.Headers["Idempotent-Replayed"] = "true";
                await AnswerAsync(context, await accepted.AsOfThenAsync(draft.TenantId, jobId, context.RequestAborted));
                return null;
            case SubmitOutcome.KeyReused(var jobId):
                return ProblemTypes.IdempotencyKeyReused.With(
                    $"The Idempotency-Key {Quoted.Of(draft.IdempotencyKey!)} belongs to job {jobId}, which was submitted with another body. Use a new key for a new request."
                );
            case SubmitOutcome.Overloaded:
                return ProblemTypes.Overloaded.With(
                    "Too many submissions wait for the database. Nothing was accepted; send it again later."
                ) with
                {
                    RetryAfter = OverloadPause,
                };
            default:
                throw new UnreachableException();
        }
    }

    /// <summary>What depends on the moment.</summary>
    private async ValueTask<(Refusal? Refusal, JobDraft Draft)> RefuseNowAsync(
        JobDraft draft,
        Caller caller,
        CancellationToken cancellationToken
    )
    {
        var refusal = await rules.RefuseNowAsync(draft, caller, cancellationToken) ?? await downRoute.RefuseAsync(draft);
        if (refusal is null)
        {
            (refusal, draft) = await heldBack.CheckAsync(draft);
        }

        // Last, because it takes room.
        return (refusal ?? fullQueue.Refuse(draft.TenantId), draft);
    }

    private async Task AnswerAsync(HttpContext context, Job job)
    {
        context.Response.Headers.Location = job.Links.Self;
        var patience = Preferences.Wait(context.Request.Headers);
        if (patience > TimeSpan.Zero)
        {
            var seconds = ((int)patience.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            context.Response.Headers["Preference-Applied"] = "wait=" + seconds;
            if (
                await wait.ForEndAsync(job.Id, FirstEvent, patience, context.RequestAborted)
                && await jobs.FindAsync(context.GetTenantId(), job.Id, context.RequestAborted) is { } ended
            )
            {
                await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, ended, WireJson.Default.Job);
                return;
            }
        }

        await JsonAnswer.WriteAsync(context, StatusCodes.Status202Accepted, job, WireJson.Default.Job);
    }
}
