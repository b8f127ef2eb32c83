using AiBackend.Core.Database;
using Microsoft.AspNetCore.Diagnostics;

namespace AiBackend.Api.Problems;

/// <summary>What callers are told when something failed that no endpoint expected: never the exception's own words.</summary>
internal sealed class ExceptionProblems(IStorageWatch storage, ILogger<ExceptionProblems> logger) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        if (httpContext.RequestAborted.IsCancellationRequested)
        {
            // Nobody is left to answer.
            httpContext.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
            return true;
        }

        await httpContext.RefuseAsync(Explain(httpContext, exception));
        return true;
    }

    private Refusal Explain(HttpContext context, Exception exception)
    {
        switch (exception)
        {
            case BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge }:
                return ProblemTypes.BodyTooLarge.With("The body is larger than 1 MiB (1048576 bytes). Send less, or split the work.");
            case BadHttpRequestException { StatusCode: StatusCodes.Status408RequestTimeout }:
                return ProblemTypes.RequestTimeout.With(
                    "The body arrived too slowly and was given up. Send it again on a faster connection."
                );
            case BadHttpRequestException { StatusCode: StatusCodes.Status401Unauthorized }:
                return ProblemTypes.Unauthorized.With(
                    "The key ended, or lost what the request needs, while the request was sent or waited for its answer. Send it with another key."
                );
            case BadHttpRequestException malformed:
                return ProblemTypes.MalformedRequest.With("The request broke the rules of HTTP and was not read to its end.") with
                {
                    Type = ProblemTypes.MalformedRequest with { Status = malformed.StatusCode },
                };
            case Exception when storage.Report(exception):
                return StorageProblems.Explain(exception, context.Request);
            default:
                logger.RequestFailed(exception, context.Request.Method, context.Request.Path);
                return Internal();
        }
    }

    private static Refusal Internal() =>
        ProblemTypes.InternalError.With("The request failed through no fault of yours. Quote the trace_id when you report it.");
}
