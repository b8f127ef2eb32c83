using Microsoft.AspNetCore.Diagnostics;
using Npgsql;

namespace AiBackend.Api.Problems;

/// <summary>What callers are told when something failed that no endpoint expected: never the exception's own words.</summary>
internal sealed class ExceptionProblems(TimeProvider clock, ILogger<ExceptionProblems> logger) : IExceptionHandler
{
    // An outage fails every request; one line a second says as much as all of them.
    private static readonly TimeSpan OutageLogPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan StoragePause = TimeSpan.FromSeconds(2);

    private long _outageLoggedAt;

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
            case BadHttpRequestException malformed:
                return ProblemTypes.MalformedRequest.With("The request broke the rules of HTTP and was not read to its end.") with
                {
                    Type = ProblemTypes.MalformedRequest with { Status = malformed.StatusCode },
                };
            case PostgresException { IsTransient: false } refused:
                logger.RequestFailed(refused, context.Request.Method, context.Request.Path);
                return Internal();
            case NpgsqlException or TimeoutException:
                ReportOutage(context, exception);
                return ProblemTypes.StorageUnavailable.With(
                    HttpMethods.IsPost(context.Request.Method)
                        ? "The database did not answer in time. What was sent may or may not have happened: send it again, a job with the same Idempotency-Key, to have it once."
                        : "The database did not answer in time. Try again."
                ) with
                {
                    RetryAfter = StoragePause,
                };
            default:
                logger.RequestFailed(exception, context.Request.Method, context.Request.Path);
                return Internal();
        }
    }

    private void ReportOutage(HttpContext context, Exception outage)
    {
        var now = clock.GetTimestamp();
        var last = Interlocked.Read(ref _outageLoggedAt);
        if (
            (last == 0 || clock.GetElapsedTime(last, now) >= OutageLogPause)
            && Interlocked.CompareExchange(ref _outageLoggedAt, now, last) == last
        )
        {
            logger.StorageUnavailable(outage, context.Request.Method, context.Request.Path);
        }
    }

    private static Refusal Internal() =>
        ProblemTypes.InternalError.With("The request failed through no fault of yours. Quote the trace_id when you report it.");
}
