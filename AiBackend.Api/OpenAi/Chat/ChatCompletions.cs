using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Calls;
using AiBackend.Api.OpenAi.Reading;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Chat;

/// <summary><c>POST /v1/chat/completions</c>: a job like any other, whose caller waits for its answer.</summary>
internal sealed class ChatCompletions(JobRequestRules rules, FileBodies bodies, AttachedCalls calls)
{
    public const string Address = "/v1/chat/completions";

    public async Task HandleAsync(HttpContext context)
    {
        using var files = new SentFiles(context.GetTenantId());
        var refusal = SubmitHeaders.Check(context.Request, out var key);
        if (refusal is null)
        {
            (refusal, var call, var draft) = await ReadAsync(context, files, IdempotencyKey.At(Address, key));
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

    private async ValueTask<(Refusal? Refusal, TranslatedCall Call, JobDraft Draft)> ReadAsync(
        HttpContext context,
        SentFiles files,
        string? key
    )
    {
        (var refusal, var body) = await bodies.ReadAsync(context.Request, files);
        if (refusal is not null)
        {
            return (refusal, null!, null!);
        }

        using (body)
        {
            JobDraft draft = null!;
            refusal =
                ChatCompletionReader.TryRead(body.Bytes, files, out var call)
                ?? rules.TryDraft(call.Job, call.Chat, context.User.GetCaller(), key, out draft);
            return refusal is null ? (null, call, draft with { Files = files }) : (refusal, null!, null!);
        }
    }

    /// <returns>Why there is no job, or null when the answer has been sent.</returns>
    private async Task<Refusal?> AcceptAsync(HttpContext context, TranslatedCall call, JobDraft draft)
    {
        var (refusal, accepted) = await calls.AcceptAsync(context, draft, call.Stream);
        if (refusal is not null)
        {
            return refusal;
        }

        var job = accepted.Job;
        await (
            call.Stream
                ? calls.StreamAsync(
                    context,
                    accepted,
                    call.Detach,
                    new ChatCompletionView(job.Id, job.CreatedAt, job.Model, call.IncludeUsage, accepted.ToldFrom)
                )
                : calls.AnswerAsync(context, accepted, call.Detach, ended => AnswerAsync(context, ended))
        );
        return null;
    }

    private static Task AnswerAsync(HttpContext context, Job job)
    {
        if (job.Status is JobStatuses.Completed or JobStatuses.PartiallyCompleted)
        {
            return JsonAnswer.WriteAsync(
                context,
                StatusCodes.Status200OK,
                ChatCompletionObject.Of(job),
                OpenAiJson.Default.ChatCompletionObject
            );
        }

        var (status, error) = OpenAiErrors.Of(job);
        // It was tried as often as it may be; a client that repeats it by itself would do all that again.
        context.Response.Headers[OpenAiAddress.RetryHeader] = "false";
        return OpenAiErrors.SendAsync(context, status, error);
    }
}
