using System.Diagnostics;
using System.Globalization;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs;

/// <summary><c>POST /api/v1/jobs</c>: a job is durable before its id is given out.</summary>
/// <remarks>The busiest endpoint: no model binding, one pass over the body, one group commit, one write of the answer.</remarks>
internal sealed class SubmitJob(JobAcceptance acceptance, JobRequestRules rules, AcceptedJob accepted, JobWait wait)
{
    public async Task HandleAsync(HttpContext context)
    {
        var refusal = SubmitHeaders.Check(context.Request, out var idempotencyKey);
        if (refusal is null)
        {
            (refusal, var draft) = await ReadAsync(context, idempotencyKey);
            if (refusal is null)
            {
                refusal = await AcceptAsync(context, draft);
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

    /// <summary>Takes a job in, and answers with it.</summary>
    /// <param name="context">The request.</param>
    /// <param name="draft">What it asks for.</param>
    /// <param name="refusal">Why it would be refused if it were new; null when nothing is known yet.</param>
    /// <returns>Why there is no job, or null when the answer has been sent.</returns>
    public async Task<Refusal?> AcceptAsync(HttpContext context, JobDraft draft, Refusal? refusal = null)
    {
        switch (await acceptance.AcceptAsync(context, draft, refusal))
        {
            case Acceptance.New(var committed, var createdAt):
                await AnswerAsync(context, AcceptedJob.Of(committed, createdAt));
                return null;
            case Acceptance.Repeat(var jobId):
                context.Response.Headers[IdempotencyKey.RepeatHeader] = "true";
                if (await accepted.AsOfThenAsync(draft.TenantId, jobId, context.RequestAborted) is not { } then)
                {
                    return AcceptedJob.Deleted(jobId);
                }

                await AnswerAsync(context, then);
                return null;
            case Acceptance.Refused(var why):
                return why;
            default:
                throw new UnreachableException();
        }
    }

    private async Task AnswerAsync(HttpContext context, Job job)
    {
        context.Response.Headers.Location = job.Links.Self;
        var patience = Preferences.Wait(context.Request.Headers);
        if (patience > TimeSpan.Zero)
        {
            var seconds = ((int)patience.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            context.Response.Headers["Preference-Applied"] = "wait=" + seconds;
            if (await wait.ForEndAsync(context, context.GetTenantId(), job.Id, patience) is { } ended)
            {
                await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, ended, WireJson.Default.Job);
                return;
            }
        }

        await JsonAnswer.WriteAsync(context, StatusCodes.Status202Accepted, job, WireJson.Default.Job);
    }
}
