using System.Diagnostics;
using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Conversations;
using AiBackend.Api.Files;
using AiBackend.Api.Problems;
using AiBackend.Api.Prompts;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>What became of a draft.</summary>
internal abstract record Acceptance
{
    private Acceptance() { }

    /// <summary>It is a job now.</summary>
    /// <param name="Draft">As it was committed.</param>
    /// <param name="CreatedAt">Postgres' time of the commit.</param>
    public sealed record New(JobDraft Draft, DateTimeOffset CreatedAt) : Acceptance;

    /// <summary>The same request came before.</summary>
    /// <param name="JobId">Its job.</param>
    public sealed record Repeat(Guid JobId) : Acceptance;

    /// <summary>There is no job.</summary>
    /// <param name="Why">Why.</param>
    public sealed record Refused(Refusal Why) : Acceptance;
}

/// <summary>The one way in which a draft becomes a job, whichever front door it came through.</summary>
internal sealed class JobAcceptance(
    JobSubmission submission,
    JobRequestRules rules,
    PromptedJobs prompts,
    DownRoute downRoute,
    HeldBack heldBack,
    FullQueue fullQueue,
    PinTools tools,
    PinFiles files,
    KeepSentFiles keep,
    OpenTurns turns,
    KeyRateLimits limits,
    TimeProvider clock
)
{
    // Longer than any healthy commit, shorter than a caller's patience.
    private static readonly TimeSpan CommitPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan OverloadPause = TimeSpan.FromSeconds(2);

    /// <param name="context">The request, whose answer is told what is left of the key's limits.</param>
    /// <param name="draft">What it asks for.</param>
    /// <param name="refusal">Why it would be refused if it were new; null when nothing is known yet.</param>
    public async Task<Acceptance> AcceptAsync(HttpContext context, JobDraft draft, Refusal? refusal = null)
    {
        SubmitOutcome? outcome;
        if (refusal is null)
        {
            (refusal, draft) = await RefuseNowAsync(context, draft);
        }

        if (refusal is not null)
        {
            // What was fine when the request first came is still answered as then, even if it would be refused today.
            outcome = draft.IdempotencyKey is null ? null : await submission.FindRepeatAsync(draft, context.RequestAborted);
            if (outcome is null)
            {
                return new Acceptance.Refused(refusal);
            }
        }
        else
        {
            // None: a caller that leaves has submitted all the same; the patience bounds the wait.
            outcome = await submission.SubmitAsync(draft).WaitAsync(CommitPatience, clock, CancellationToken.None);
        }

        if (outcome is SubmitOutcome.Accepted)
        {
            await turns.InterruptAsync(draft);
        }

        return outcome switch
        {
            SubmitOutcome.Accepted(var createdAt) => new Acceptance.New(draft, createdAt),
            SubmitOutcome.Replayed(var jobId) => new Acceptance.Repeat(jobId),
            SubmitOutcome.KeyReused(var jobId) => new Acceptance.Refused(
                ProblemTypes.IdempotencyKeyReused.With(
                    $"The Idempotency-Key {Quoted.Of(IdempotencyKey.Sent(draft.IdempotencyKey!))} belongs to job {jobId}, which was submitted with another body. Use a new key for a new request."
                )
            ),
            SubmitOutcome.ConversationBusy(var jobId) => new Acceptance.Refused(OpenTurns.Busy(draft.ConversationId!.Value, jobId)),
            SubmitOutcome.Overloaded => new Acceptance.Refused(
                ProblemTypes.Overloaded.With("Too many submissions wait for the database. Nothing was accepted; send it again later.") with
                {
                    RetryAfter = OverloadPause,
                }
            ),
            _ => throw new UnreachableException(),
        };
    }

    /// <summary>What depends on the moment.</summary>
    private async ValueTask<(Refusal? Refusal, JobDraft Draft)> RefuseNowAsync(HttpContext context, JobDraft draft)
    {
        (var refusal, draft) = await prompts.ExpandAsync(draft, context.RequestAborted);
        refusal ??=
            await rules.RefuseNowAsync(draft, context.User.GetCaller(), context.RequestAborted) ?? await downRoute.RefuseAsync(draft);
        refusal ??= await turns.RefuseAsync(draft, context.RequestAborted);
        if (refusal is null)
        {
            (refusal, draft) = await tools.PinAsync(draft, context.RequestAborted);
        }

        if (refusal is null)
        {
            (refusal, draft) = await files.PinAsync(draft, context.RequestAborted);
        }

        if (refusal is null)
        {
            (refusal, draft) = await heldBack.CheckAsync(draft);
        }

        // Last, because these take room; and what the key may is not used up by a queue that was full.
        refusal ??= fullQueue.RefuseIfFull(draft.TenantId) ?? await limits.TakeAsync(context, draft.ExpectedTokens, mayWait: true);
        refusal ??= fullQueue.Refuse(draft.TenantId);
        // After all that refuses: what is stored takes the tenant's room.
        return (refusal ?? await keep.RunAsync(draft, context.RequestAborted), draft);
    }
}
