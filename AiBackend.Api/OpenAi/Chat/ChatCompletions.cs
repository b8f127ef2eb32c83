using System.Diagnostics;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Calls;
using AiBackend.Api.OpenAi.Reading;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.OpenAi.Chat;

/// <summary><c>POST /v1/chat/completions</c>: a job like any other, whose caller waits for its answer.</summary>
internal sealed class ChatCompletions(
    JobRequestRules rules,
    JobAcceptance acceptance,
    JobReads jobs,
    JobWait wait,
    EventStream stream,
    LeftCalls left,
    IHostApplicationLifetime lifetime,
    IOptions<OpenAiOptions> options
)
{
    public const string Address = "/v1/chat/completions";

    // Says that the job was accepted; nothing ends with it.
    private const int FirstEvent = 1;

    public async Task HandleAsync(HttpContext context)
    {
        var refusal = SubmitHeaders.Check(context.Request, out var key);
        if (refusal is null)
        {
            (refusal, var call, var draft) = await ReadAsync(context, IdempotencyKey.At(Address, key));
            if (refusal is null)
            {
                refusal = await AcceptAsync(context, call, draft);
            }
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    private async ValueTask<(Refusal? Refusal, TranslatedCall Call, JobDraft Draft)> ReadAsync(HttpContext context, string? key)
    {
        using var body = await RequestBody.ReadAsync(context.Request);
        JobDraft draft = null!;
        var refusal =
            ChatCompletionReader.TryRead(body.Bytes, out var call)
            ?? rules.TryDraft(call.Job, call.Chat, context.User.GetCaller(), key, out draft);
        return (refusal, call, draft);
    }

    /// <returns>Why there is no job, or null when the answer has been sent.</returns>
    private async Task<Refusal?> AcceptAsync(HttpContext context, TranslatedCall call, JobDraft draft)
    {
        switch (await acceptance.AcceptAsync(context, draft))
        {
            case Acceptance.New(var committed, var createdAt):
                await AttachAsync(context, call, AcceptedJob.Of(committed, createdAt), FirstEvent, draft.IdempotencyKey is not null);
                return null;
            case Acceptance.Repeat(var jobId):
                context.Response.Headers[IdempotencyKey.RepeatHeader] = "true";
                var head = await jobs.FindHeadAsync(draft.TenantId, jobId, context.RequestAborted);
                var job = await jobs.FindAsync(draft.TenantId, jobId, context.RequestAborted);
                if (head is null || job is null)
                {
                    return ProblemTypes.JobNotFound.With(
                        $"Job {jobId} of this Idempotency-Key was deleted. Use a new key for a new request."
                    );
                }

                await AttachAsync(context, call, job, head.Value.LastSeq, mayComeBack: true);
                return null;
            case Acceptance.Refused(var why):
                return why;
            default:
                throw new UnreachableException();
        }
    }

    private Task AttachAsync(HttpContext context, TranslatedCall call, Job job, int lastSeq, bool mayComeBack)
    {
        context.Response.Headers[OpenAiAddress.JobHeader] = job.Id.ToString();
        var attached = new AttachedCall(context.GetTenantId(), job.Id, mayComeBack, call.Detach);
        return left.RunAsync(attached, () => call.Stream ? StreamAsync(context, call, job, lastSeq) : AnswerAsync(context, job));
    }

    private async Task<CallerLeft> StreamAsync(HttpContext context, TranslatedCall call, Job job, int lastSeq)
    {
        var view = new ChatCompletionView(job.Id, job.CreatedAt, job.Model, call.IncludeUsage, lastSeq);
        return await stream.SendAsync(context.Response, job.Id, after: 0, view) switch
        {
            StreamEnd.Complete => view.HasEnd ? CallerLeft.Not : CallerLeft.ByUs,
            StreamEnd.ReaderLeft or StreamEnd.KeyRevoked => CallerLeft.ByItself,
            _ => CallerLeft.ByUs,
        };
    }

    private async Task<CallerLeft> AnswerAsync(HttpContext context, Job job)
    {
        var patience = options.Value.LongestWait;
        if (!JobStatuses.IsTerminal(job.Status))
        {
            await wait.ForEndAsync(context.GetTenantId(), job.Id, FirstEvent, patience, context.RequestAborted);
            job = await jobs.FindAsync(context.GetTenantId(), job.Id, context.RequestAborted) ?? throw new UnreachableException();
        }

        if (!JobStatuses.IsTerminal(job.Status))
        {
            await RefuseUnendedAsync(context, job, patience);
            return CallerLeft.ByUs;
        }

        if (job.Status is JobStatuses.Completed or JobStatuses.PartiallyCompleted)
        {
            await JsonAnswer.WriteAsync(
                context,
                StatusCodes.Status200OK,
                ChatCompletionObject.Of(job),
                OpenAiJson.Default.ChatCompletionObject
            );
            return CallerLeft.Not;
        }

        var (status, error) = OpenAiErrors.Of(job);
        // It was tried as often as it may be; a client that repeats it by itself would do all that again.
        context.Response.Headers[OpenAiAddress.RetryHeader] = "false";
        await OpenAiErrors.SendAsync(context, status, error);
        return CallerLeft.Not;
    }

    private Task RefuseUnendedAsync(HttpContext context, Job job, TimeSpan patience)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            return OpenAiErrors.SendAsync(context, StatusCodes.Status503ServiceUnavailable, ChatCompletionView.Stopping);
        }

        context.Response.Headers[OpenAiAddress.RetryHeader] = "false";
        var message = FormattableString.Invariant(
            $"Job {job.Id} has not ended within {patience.TotalSeconds} s. Stream the answer, use /v1/responses with \"background\": true, or submit it under /api/v1/jobs."
        );
        return OpenAiErrors.SendAsync(context, StatusCodes.Status504GatewayTimeout, OpenAiErrors.Server("wait_too_long", message));
    }
}
