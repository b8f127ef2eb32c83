using AiBackend.Core.Files;
using Microsoft.Net.Http.Headers;

namespace AiBackend.Api.Files;

/// <summary>Answers with what is in a file. Whatever it holds, no browser shows it as a page of ours.</summary>
internal static class SendFile
{
    public static async Task SendAsync(HttpContext context, FileStore store, StoredFile file, string contentType)
    {
        var response = context.Response;
        response.ContentType = contentType;
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
}
