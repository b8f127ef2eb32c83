using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Api.Repeats;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;
using AiBackend.Core.Repeats;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Api.Files;

/// <summary>Takes files in, whichever front door they come through.</summary>
internal sealed class Uploads(FileStore store, JobIds ids, RepeatedRequests repeats, IOptions<FilesOptions> options)
{
    /// <summary>Of a form, beside its file.</summary>
    private const int FormBytes = 64 * 1024;

    /// <param name="context">The request.</param>
    /// <param name="address">Where it came: keys of different addresses are apart.</param>
    /// <param name="key">Its Idempotency-Key; null has none.</param>
    /// <param name="form">What the door takes.</param>
    /// <param name="describe">The answer.</param>
    /// <returns>Why it is refused, or null when the answer has been sent.</returns>
    public async Task<Refusal?> ReceiveAsync(
        HttpContext context,
        string address,
        string? key,
        UploadForm form,
        Func<StoredFile, ReadOnlyMemory<byte>> describe
    )
    {
        var most = options.Value.MaxBytes;
        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = most + FormBytes;
        var tenantId = context.GetTenantId();
        if (await store.BeginAsync(ids.Next(), tenantId, form.Purpose, "", context.RequestAborted) is not { } file)
        {
            return OpenAiErrors.Deleted;
        }

        try
        {
            var upload = new ReceiveFile(store, file, form, most);
            if (await upload.ReadAsync(context.Request, context.RequestAborted) is { } refusal)
            {
                return refusal;
            }

            await KeyAgain.CheckAsync(context);
            return await repeats.MakeAsync(
                context,
                key is null ? null : new KeptRequest(tenantId, IdempotencyKey.At(address, key)!, upload.Fingerprint),
                transaction => FinishAsync(transaction, file, form, upload, describe)
            );
        }
        finally
        {
            // Unless it was finished. None: its caller may have left, which is why. The command time-out bounds it, and the leader finds what is left.
            await store.AbandonAsync(file, CancellationToken.None);
        }
    }

    private async Task<(Refusal? Refusal, ReadOnlyMemory<byte> Body)> FinishAsync(
        NpgsqlConnection transaction,
        StoredFile file,
        UploadForm form,
        ReceiveFile upload,
        Func<StoredFile, ReadOnlyMemory<byte>> describe
    ) =>
        await store.FinishAsync(transaction, file, form.Purpose, upload.Name, upload.Content, form.KeptFor) is { } finished
            ? (null, describe(finished))
            : (ProblemTypes.FileNotFound.With("The file was deleted while it was received. Send it again."), default);
}
