using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using Microsoft.Net.Http.Headers;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Checks what a submit says about itself before its body is read.</summary>
internal static class SubmitHeaders
{
    private const string Json = "application/json";

    /// <returns>Why the request is refused, or null; then <paramref name="idempotencyKey"/> is the key, if there is one.</returns>
    public static Refusal? Check(HttpRequest request, out string? idempotencyKey)
    {
        idempotencyKey = null;
        return CheckContent(request)
            ?? QueryParameters.CheckNames(request)
            ?? IdempotencyKey.TryRead(request.Headers[IdempotencyKey.Header], out idempotencyKey);
    }

    /// <summary>As <see cref="Check"/>, for requests that may come without a body.</summary>
    public static Refusal? CheckOptional(HttpRequest request, out string? idempotencyKey)
    {
        if (request.ContentType is not null || request.ContentLength > 0)
        {
            return Check(request, out idempotencyKey);
        }

        idempotencyKey = null;
        return QueryParameters.CheckNames(request) ?? IdempotencyKey.TryRead(request.Headers[IdempotencyKey.Header], out idempotencyKey);
    }

    private static Refusal? CheckContent(HttpRequest request)
    {
        if (request.Headers.ContentEncoding.Count > 0)
        {
            return ProblemTypes.UnsupportedMediaType.With(
                $"The header Content-Encoding is {Quoted.Of(request.Headers.ContentEncoding.ToString())}. Send the body uncompressed."
            );
        }

        // Nearly every request says exactly this.
        return request.ContentType == Json || IsJson(request.ContentType)
            ? null
            : ProblemTypes.UnsupportedMediaType.With(
                $"The header Content-Type is {(request.ContentType is null ? "missing" : Quoted.Of(request.ContentType))}. Send application/json in UTF-8."
            );
    }

    private static bool IsJson(string? contentType) =>
        MediaTypeHeaderValue.TryParse(contentType, out var type)
        && type.MediaType.Equals(Json, StringComparison.OrdinalIgnoreCase)
        && (type.Charset.Length == 0 || type.Charset.Value.AsSpan().Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase));
}
