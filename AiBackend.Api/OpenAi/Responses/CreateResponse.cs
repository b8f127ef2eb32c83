using System.Security.Cryptography;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Calls;
using AiBackend.Api.OpenAi.Reading;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.OpenAi.Responses;

/// <summary><c>POST /v1/responses</c>: a job whose caller waits for it, or in the background, which is what jobs are.</summary>
internal sealed class CreateResponse(JobRequestRules rules, FileBodies bodies, AttachedCalls calls, PreviousResponses previous)
{
    public const string Address = "/v1/responses";

    public async Task HandleAsync(HttpContext context)
    {
        using var files = new SentFiles(context.GetTenantId());
        var refusal = SubmitHeaders.Check(context.Request, out var key);
        if (refusal is null)
        {
            (refusal, var response) = await ReadAsync(context, files);
            refusal ??= await AcceptAsync(context, response, files, IdempotencyKey.At(Address, key));
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    private async ValueTask<(Refusal? Refusal, TranslatedResponse Response)> ReadAsync(HttpContext context, SentFiles files)
    {
        (var refusal, var body) = await bodies.ReadAsync(context.Request, files);
        if (refusal is not null)
        {
            return (refusal, null!);
        }

        using (body)
        {
            refusal = ResponseReader.TryRead(body.Bytes, files, out var response);
            return (refusal, response);
        }
    }

    /// <returns>Why there is no job, or null when the answer has been sent.</returns>
    private async Task<Refusal?> AcceptAsync(HttpContext context, TranslatedResponse response, SentFiles files, string? key)
    {
        var (call, details, _) = response;
        var caller = context.User.GetCaller();
        var (refusal, chat) = await previous.CompleteAsync(caller.TenantId, response, context.RequestAborted);
        // A repeat is answered as then, also when what it went on from was deleted since.
        var isNew = refusal is null || key is null;
        JobDraft draft = null!;
        if ((refusal is null || !isNew) && rules.TryDraft(call.Job, chat, caller, key, out draft) is { } ofChat)
        {
            return refusal ?? ResponsePaths.Restore(ofChat, response, chat);
        }

        if (refusal is not null && isNew)
        {
            return refusal;
        }

        draft = Kept(draft, details) with { Files = files };
        (refusal, var accepted) = await calls.AcceptAsync(context, draft, call.Stream, refusal);
        if (refusal is not null)
        {
            return refusal;
        }

        await (
            call.Stream ? calls.StreamAsync(context, accepted, call.Detach, ResponseView.Of(accepted.Job, details, accepted.ToldFrom))
            : details.Background ? ResponseAnswer.SendAsync(context, accepted.Job, details)
            : calls.AnswerAsync(context, accepted, call.Detach, job => ResponseAnswer.SendAsync(context, job, details))
        );
        return null;
    }

    /// <summary>The job of a response that nobody waits for.</summary>
    public async Task<(Refusal? Refusal, JobDraft Draft)> DraftAsync(
        Caller caller,
        TranslatedResponse response,
        SentFiles files,
        string? key,
        CancellationToken cancellationToken
    )
    {
        var (refusal, chat) = await previous.CompleteAsync(caller.TenantId, response, cancellationToken);
        JobDraft draft = null!;
        if (refusal is null && rules.TryDraft(response.Call.Job, chat, caller, key, out draft) is { } ofChat)
        {
            refusal = ResponsePaths.Restore(ofChat, response, chat);
        }

        return refusal is null ? (null, Kept(draft, response.Details) with { Files = files }) : (refusal, null!);
    }

    private static JobDraft Kept(JobDraft draft, ResponseDetails details) =>
        draft with
        {
            Fingerprint = FingerprintOf(draft, details),
            Details = JsonSerializer.Serialize(
                details with
                {
                    MayAnswerAnew = JobTerms.Read(draft.Terms).MayAnswerAnew,
                },
                OpenAiJson.Default.ResponseDetails
            ),
        };

    /// <summary>Whether it is kept and waited for is part of what is asked: what follows from it cannot be had from the job of another request.</summary>
    private static byte[]? FingerprintOf(JobDraft draft, ResponseDetails details) =>
        draft.Fingerprint is { } ofJob && (details.Background || !details.Store)
            ? SHA256.HashData([.. ofJob, details.Background ? (byte)1 : (byte)0, details.Store ? (byte)1 : (byte)0])
            : draft.Fingerprint;
}
