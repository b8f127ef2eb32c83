using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Files;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Database;
using AiBackend.Core.Files;

namespace AiBackend.Api.OpenAi.Files;

/// <summary><c>/v1/files</c>: uploaded, listed, read and deleted.</summary>
internal sealed class FileRequests(FileStore store, Uploads uploads)
{
    public const string Address = "/v1/files";

    private const int MostListed = 10_000;
    private const int UsuallyListed = 1000;

    public async Task UploadAsync(HttpContext context)
    {
        var refusal =
            QueryParameters.CheckNames(context.Request)
            ?? IdempotencyKey.TryRead(context.Request.Headers[IdempotencyKey.Header], out var key)
            ?? await uploads.ReceiveAsync(context, Address, key, new OpenAiFileForm(), Describe);
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

        var found = await store.ListAsync(
            context.GetTenantId(),
            FilePurpose.OfList(purpose),
            page with
            {
                Limit = page.Limit + 1,
            },
            context.RequestAborted
        );
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

    public async Task ContentAsync(HttpContext context)
    {
        var (refusal, file) = await FindAsync(context);
        await (refusal is not null ? context.RefuseAsync(refusal) : SendFile.SendAsync(context, store, file, MediaTypes.Unknown));
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var (refusal, file) = await FindAsync(context);
        refusal ??= await store.DeleteAsync(file.TenantId, file.Id, context.RequestAborted) switch
        {
            FileDeletion.Deleted => null,
            FileDeletion.Needed => ProblemTypes.FileInUse.With(
                $"A batch or job that has not ended needs {FileIds.Of(file.Id)}. Cancel it, or wait for its end."
            ),
            _ => FoundFile.Unknown(FileIds.Of(file.Id)),
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

    private static ReadOnlyMemory<byte> Describe(StoredFile file) =>
        JsonSerializer.SerializeToUtf8Bytes(FileObject.Of(file), OpenAiJson.Default.FileObject);

    private Task<(Refusal? Refusal, StoredFile File)> FindAsync(HttpContext context) => context.FindFileAsync(store, FileIds.Parse);

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
