using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Database;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;
using AiBackend.Core.Repeats;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using Npgsql;

namespace AiBackend.Api.OpenAi.Files;

/// <summary><c>/v1/files</c>: uploaded, listed, read and deleted.</summary>
internal sealed class FileRequests(FileStore store, JobIds ids, RepeatedRequests repeats, IOptions<FilesOptions> options)
{
    public const string Address = "/v1/files";

    private const int MostListed = 10_000;
    private const int UsuallyListed = 1000;

    /// <summary>Of a form, beside its file.</summary>
    private const int FormBytes = 64 * 1024;

    public async Task UploadAsync(HttpContext context)
    {
        var refusal =
            QueryParameters.CheckNames(context.Request)
            ?? IdempotencyKey.TryRead(context.Request.Headers[IdempotencyKey.Header], out var key)
            ?? await ReceiveAsync(context, key);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    public async Task ListAsync(HttpContext context)
    {
        if (ReadPage(context.Request, out var purpose, out var page) is { } refusal)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var found = await store.ListAsync(context.GetTenantId(), purpose, page with { Limit = page.Limit + 1 }, context.RequestAborted);
        var list = new FileList([.. found.Take(page.Limit).Select(FileObject.Of)], found.Count > page.Limit);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, OpenAiJson.Default.FileList);
    }

    public async Task GetAsync(HttpContext context)
    {
        var (refusal, file) = await FindAsync(context);
        await (
            refusal is not null
                ? context.RefuseAsync(refusal)
                : JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, FileObject.Of(file), OpenAiJson.Default.FileObject)
        );
    }

    /// <summary>Whatever it holds, no browser shows it as a page of ours.</summary>
    public async Task ContentAsync(HttpContext context)
    {
        var (refusal, file) = await FindAsync(context);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var response = context.Response;
        response.ContentType = "application/octet-stream";
        response.ContentLength = file.Bytes;
        var disposition = new ContentDispositionHeaderValue("attachment");
        disposition.SetHttpFileName(file.Name);
        response.Headers.ContentDisposition = disposition.ToString();
        response.Headers.ContentSecurityPolicy = "sandbox; default-src 'none'";
        response.Headers.CacheControl = "private, no-store";
        await foreach (var piece in store.ReadAsync(file, from: 0, context.RequestAborted))
        {
            await response.BodyWriter.WriteAsync(piece, context.RequestAborted);
        }
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var (refusal, file) = await FindAsync(context);
        refusal ??= await store.DeleteAsync(file.TenantId, file.Id, context.RequestAborted) switch
        {
            FileDeletion.Deleted => null,
            FileDeletion.Needed => ProblemTypes.FileInUse.With(
                $"A batch that has not ended reads {FileIds.Of(file.Id)}. Cancel the batch, or wait for its end."
            ),
            _ => Unknown(FileIds.Of(file.Id)),
        };

        await (
            refusal is not null
                ? context.RefuseAsync(refusal)
                : JsonAnswer.WriteAsync(
                    context,
                    StatusCodes.Status200OK,
                    new DeletedFile(FileIds.Of(file.Id)),
                    OpenAiJson.Default.DeletedFile
                )
        );
    }

    public static Refusal Unknown(string id) =>
        ProblemTypes.FileNotFound.At(
            "id",
            $"There is no file {Quoted.Of(id)}. Check the id, that it has not expired, and that the key belongs to the tenant that has it."
        );

    private async Task<Refusal?> ReceiveAsync(HttpContext context, string? key)
    {
        var most = options.Value.MaxBytes;
        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = most + FormBytes;
        var tenantId = context.GetTenantId();
        if (await store.BeginAsync(ids.Next(), tenantId, ReceiveFile.Purpose, "", context.RequestAborted) is not { } file)
        {
            return OpenAiErrors.Deleted;
        }

        try
        {
            var upload = new ReceiveFile(store, file, most);
            if (await upload.ReadAsync(context.Request, context.RequestAborted) is { } refusal)
            {
                return refusal;
            }

            await KeyAfterBody.CheckAsync(context);
            return await repeats.MakeAsync(
                context,
                key is null ? null : new KeptRequest(tenantId, IdempotencyKey.At(Address, key)!, upload.Fingerprint),
                transaction => FinishAsync(transaction, file, upload)
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
        ReceiveFile upload
    ) =>
        await store.FinishAsync(transaction, file, ReceiveFile.Purpose, upload.Name, upload.KeptFor) is { } finished
            ? (null, JsonSerializer.SerializeToUtf8Bytes(FileObject.Of(finished), OpenAiJson.Default.FileObject))
            : (Unknown(FileIds.Of(file.Id)), default);

    private async Task<(Refusal? Refusal, StoredFile File)> FindAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request) is { } unknown)
        {
            return (unknown, null!);
        }

        var id = (string)context.Request.RouteValues["id"]!;
        return FileIds.Parse(id) is { } fileId && await store.FindAsync(context.GetTenantId(), fileId, context.RequestAborted) is { } file
            ? (null, file)
            : (Unknown(id), null!);
    }

    private static Refusal? ReadPage(HttpRequest request, out string? purpose, out ListPage page)
    {
        page = null!;
        purpose = null;
        var refusal =
            QueryParameters.CheckNames(request, "purpose", "limit", "order", "after")
            ?? QueryParameters.TryReadText(request, "purpose", out purpose);
        return refusal ?? OpenAiPage.TryRead(request, MostListed, UsuallyListed, FileIds.Parse, out page);
    }
}
