using System.Diagnostics;
using System.Globalization;

namespace AiBackend.Api.OpenAi.Wire;

/// <summary>The addresses that speak OpenAI's protocol, and what every answer there carries.</summary>
internal static class OpenAiAddress
{
    public const string Root = "/v1";

    /// <summary>Names the job that a request became.</summary>
    public const string JobHeader = "x-aibackend-job-id";

    /// <summary>Tells OpenAI's own clients whether sending a request again may help; by themselves they go by the status alone.</summary>
    public const string RetryHeader = "x-should-retry";

    public static bool Is(HttpRequest request) => request.Path.StartsWithSegments(Root, StringComparison.Ordinal);

    /// <summary>Comes first: a refusal by whoever has to say what was asked, too.</summary>
    public static void UseOpenAiHeaders(this WebApplication app) =>
        app.Use(
            (context, next) =>
            {
                if (Is(context.Request))
                {
                    // When the answer begins, because the exception handler takes earlier headers away.
                    context.Response.OnStarting(Complete, (context, Stopwatch.GetTimestamp()));
                }

                return next(context);
            }
        );

    private static Task Complete(object state)
    {
        var (context, began) = ((HttpContext, long))state;
        var headers = context.Response.Headers;
        var span = Activity.Current;
        // Found in traces and logs by it; without tracing it is still one of a kind.
        headers["x-request-id"] = span is null ? $"req_{Guid.CreateVersion7():N}" : $"req_{span.TraceId}{span.SpanId}";
        headers["openai-processing-ms"] = ((long)Stopwatch.GetElapsedTime(began).TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
        if (span?.Id is { } traceParent)
        {
            headers["traceparent"] = traceParent;
        }

        return Task.CompletedTask;
    }
}
