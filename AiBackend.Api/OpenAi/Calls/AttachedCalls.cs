using System.Diagnostics;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.OpenAi.Calls;

/// <summary>A call that is a job now.</summary>
/// <param name="Job">The job; of a repeat, as it is now.</param>
/// <param name="ToldFrom">Number of the event from which on its answer is told as it is written; what was before is told in one piece.</param>
/// <param name="MayComeBack">The same request finds it again.</param>
internal sealed record AcceptedCall(Job Job, int ToldFrom, bool MayComeBack);

/// <summary>Calls whose callers wait for their jobs.</summary>
internal sealed class AttachedCalls(
    JobAcceptance acceptance,
    JobReads jobs,
    JobWait wait,
    EventStream stream,
    LeftCalls left,
    IHostApplicationLifetime lifetime,
    IOptions<OpenAiOptions> options
)
{
    // Says that the job was accepted; nothing ends with it.
    private const int FirstEvent = 1;

    /// <param name="context">The request.</param>
    /// <param name="draft">What it asks for.</param>
    /// <param name="streams">Whether its answer is to be streamed, for which there must be room before there is a job.</param>
    /// <param name="refusal">Why it would be refused if it were new; null when nothing is known yet.</param>
    /// <returns>Why there is no job, or the job.</returns>
    public async Task<(Refusal? Refusal, AcceptedCall Call)> AcceptAsync(
        HttpContext context,
        JobDraft draft,
        bool streams,
        Refusal? refusal = null
    )
    {
        if (streams && stream.Open(context) is { } full)
        {
            return (full, null!);
        }

        var accepted = await acceptance.AcceptAsync(context, draft, refusal);
        // Of a repeat nothing was stored: its files need not be in memory until the answer comes.
        draft.Files?.Dispose();
        AcceptedCall call;
        switch (accepted)
        {
            case Acceptance.New(var committed, var createdAt):
                call = new AcceptedCall(
                    AcceptedJob.Of(committed, createdAt),
                    ToldFrom(JobTerms.Read(draft.Terms), FirstEvent),
                    draft.IdempotencyKey is not null
                );
                break;
            case Acceptance.Repeat(var jobId):
                context.Response.Headers[IdempotencyKey.RepeatHeader] = "true";
                var head = await jobs.FindHeadAsync(draft.TenantId, jobId, context.RequestAborted);
                var job = await jobs.FindAsync(draft.TenantId, jobId, context.RequestAborted);
                // Not those of this request: the route may have another contract by now.
                var terms = await jobs.FindTermsAsync(draft.TenantId, jobId, context.RequestAborted);
                if (head is null || job is null)
                {
                    return (AcceptedJob.Deleted(jobId), null!);
                }

                call = new AcceptedCall(job, ToldFrom(terms, head.Value.LastSeq), MayComeBack: true);
                break;
            case Acceptance.Refused(var why):
                return (why, null!);
            default:
                throw new UnreachableException();
        }

        context.Response.Headers[OpenAiAddress.JobHeader] = call.Job.Id.ToString();
        return (null, call);
    }

    /// <summary>An answer that a better one may replace is told when it is over: who can only append cannot take anything back.</summary>
    private static int ToldFrom(JobTerms terms, int lastSeq) => terms.MayAnswerAnew ? int.MaxValue : lastSeq;

    /// <summary>Sends the job's answer while it is written. Whom we send away may come back when the view says how.</summary>
    public Task StreamAsync(HttpContext context, AcceptedCall call, bool isDetached, AnswerView view) =>
        left.RunAsync(
            Attached(context, call with { MayComeBack = call.MayComeBack || view.CanBeResumed }, isDetached),
            async () =>
                await stream.SendAsync(context.Response, call.Job.Id, after: 0, view) switch
                {
                    StreamEnd.Complete => view.HasEnd ? CallerLeft.Not : CallerLeft.ByUs,
                    StreamEnd.ReaderLeft => CallerLeft.ByItself,
                    StreamEnd.KeyRevoked => CallerLeft.ForGood,
                    _ => CallerLeft.ByUs,
                }
        );

    /// <summary>Waits for the job's end, then answers.</summary>
    public Task AnswerAsync(HttpContext context, AcceptedCall call, bool isDetached, Func<Job, Task> answer) =>
        left.RunAsync(Attached(context, call, isDetached), () => AnswerAsync(context, call.Job, answer));

    private static AttachedCall Attached(HttpContext context, AcceptedCall call, bool isDetached) =>
        new(context.GetTenantId(), call.Job.Id, call.MayComeBack, isDetached);

    private async Task<CallerLeft> AnswerAsync(HttpContext context, Job job, Func<Job, Task> answer)
    {
        if (!JobStatuses.IsTerminal(job.Status))
        {
            job = await wait.ForEndAsync(context, context.GetTenantId(), job.Id, options.Value.LongestWait) ?? job;
        }

        if (!JobStatuses.IsTerminal(job.Status))
        {
            await RefuseUnendedAsync(context, job);
            return CallerLeft.ByUs;
        }

        await answer(job);
        return CallerLeft.Not;
    }

    private Task RefuseUnendedAsync(HttpContext context, Job job)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            return OpenAiErrors.SendAsync(context, StatusCodes.Status503ServiceUnavailable, OpenAiErrors.Stopping);
        }

        context.Response.Headers[OpenAiAddress.RetryHeader] = "false";
        var message = FormattableString.Invariant(
            $"Job {job.Id} has not ended within {options.Value.LongestWait.TotalSeconds} s. Stream the answer, use /v1/responses with \"background\": true, or submit it under /api/v1/jobs."
        );
        return OpenAiErrors.SendAsync(context, StatusCodes.Status504GatewayTimeout, OpenAiErrors.Server("wait_too_long", message));
    }
}
