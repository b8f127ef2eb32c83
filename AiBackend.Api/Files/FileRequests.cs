using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Files;
using AiBackend.Core.Database;
using AiBackend.Core.Files;

namespace AiBackend.Api.Files;

/// <summary><c>/api/v1/files</c>: uploaded, listed, read and deleted.</summary>
internal sealed class FileRequests(FileStore store, Uploads uploads)
{
    public const string Address = "/api/v1/files";

    private const int MaxPage = 200;
    private const int UsualPage = 50;

    public async Task UploadAsync(HttpContext context)
    {
        // What is refused has a status of its own.
        context.Response.StatusCode = StatusCodes.Status201Created;
        var refusal =
            QueryParameters.CheckNames(context.Request)
            ?? IdempotencyKey.TryRead(context.Request.Headers[IdempotencyKey.Header], out var key)
            ?? await uploads.ReceiveAsync(
                context,
                Address,
                key,
                new AttachmentForm(),
                file => JsonSerializer.SerializeToUtf8Bytes(ViewOf(file), WireJson.Default.TenantFile)
            );
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
        var list = new TenantFileList(
            [.. found.Take(page.Limit).Select(ViewOf)],
            found.Count > page.Limit ? JobCursor.Write(found[page.Limit - 1].Id, FiltersOf(purpose)) : null
        );
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.TenantFileList);
    }

    public async Task GetAsync(HttpContext context)
    {
        var (refusal, file) = await FindAsync(context);
        await (
            refusal is not null
                ? context.RefuseAsync(refusal)
                : JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, ViewOf(file), WireJson.Default.TenantFile)
        );
    }

    public async Task ContentAsync(HttpContext context)
    {
        var (refusal, file) = await FindAsync(context);
        await (
            refusal is not null
                ? context.RefuseAsync(refusal)
                : SendFile.SendAsync(
                    context,
                    store,
                    file,
                    MediaTypes.IsText(file.MediaType) ? file.MediaType + "; charset=utf-8" : file.MediaType
                )
        );
    }

    public async Task DeleteAsync(HttpContext context)
    {
        var (refusal, file) = await FindAsync(context);
        refusal ??= await store.DeleteAsync(file.TenantId, file.Id, context.RequestAborted) switch
        {
            FileDeletion.Deleted => null,
            FileDeletion.Needed => ProblemTypes.FileInUse.With(
                $"A batch or job that has not ended needs the file {file.Id}. Cancel it, or wait for its end."
            ),
            _ => FoundFile.Unknown(file.Id.ToString()),
        };
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static TenantFile ViewOf(StoredFile file) =>
        new()
        {
            Id = file.Id,
            Name = file.Name,
            MediaType = file.MediaType,
            Bytes = file.Bytes,
            Sha256 = file.Sha256 is { } hash ? Convert.ToHexStringLower(hash) : null,
            Purpose = file.Purpose,
            CreatedAt = file.CreatedAt,
            ExpiresAt = file.ExpiresAt,
        };

    private Task<(Refusal? Refusal, StoredFile File)> FindAsync(HttpContext context) =>
        context.FindFileAsync(store, id => Guid.TryParseExact(id, "D", out var file) ? file : null);

    private static Refusal? ReadPage(HttpRequest request, out string? purpose, out ListPage page)
    {
        page = null!;
        purpose = null;
        var refusal =
            QueryParameters.CheckNames(request, "purpose", "limit", "cursor")
            ?? QueryParameters.TryReadText(request, "purpose", out purpose)
            ?? QueryParameters.TryReadNumber(request, "limit", 1, MaxPage, UsualPage, out _)
            ?? QueryParameters.TryReadText(request, "cursor", out _);
        if (refusal is not null)
        {
            return refusal;
        }

        if (purpose is not null && !FilePurposes.All.Contains(purpose, StringComparer.Ordinal))
        {
            return ProblemTypes.InvalidValue.At(
                "purpose",
                $"purpose is {Quoted.Of(purpose)}; it must be one of {string.Join(", ", FilePurposes.All)}."
            );
        }

        QueryParameters.TryReadNumber(request, "limit", 1, MaxPage, UsualPage, out var limit);
        QueryParameters.TryReadText(request, "cursor", out var cursor);
        var after = cursor is null ? null : JobCursor.Read(cursor, FiltersOf(purpose));
        page = new ListPage(after, Ascending: false, limit);
        return cursor is not null && after is null
            ? ProblemTypes.BadCursor.With($"The cursor {Quoted.Of(cursor)} is not one of this list. Begin without one.")
            : null;
    }

    /// <summary>A cursor goes on in the list that it was made for.</summary>
    private static string FiltersOf(string? purpose) => $"files {purpose}";
}
