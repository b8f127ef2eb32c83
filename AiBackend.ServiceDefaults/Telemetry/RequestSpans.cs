using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace AiBackend.ServiceDefaults.Telemetry;

/// <summary>Gives the span of a request its route, its status and a name made of them.</summary>
/// <remarks>
/// ASP.NET Core 10 writes what is known when a request begins; from 11 on it writes the rest too and this can go. Names and
/// values: https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
/// </remarks>
internal sealed class RequestSpans : IObserver<KeyValuePair<string, object?>>
{
    private const string Request = "Microsoft.AspNetCore.Hosting.HttpRequestIn";

    // Hosting tells about an end only to those who also want the beginning.
    private const string RequestBegun = Request + ".Start";
    private const string RequestEnded = Request + ".Stop";

    public static IDisposable Watch(DiagnosticListener requests) =>
        requests.Subscribe(new RequestSpans(), static name => name is Request or RequestBegun or RequestEnded);

    public void OnNext(KeyValuePair<string, object?> value)
    {
        if (value is { Key: RequestEnded, Value: HttpContext context } && Activity.Current is { IsAllDataRequested: true } span)
        {
            Complete(span, context);
        }
    }

    public void OnCompleted() { }

    public void OnError(Exception error) { }

    private static void Complete(Activity span, HttpContext context)
    {
        var status = context.Response.StatusCode;
        span.SetTag("http.response.status_code", status);
        if (status >= StatusCodes.Status500InternalServerError)
        {
            span.SetTag("error.type", status.ToString(System.Globalization.CultureInfo.InvariantCulture));
            span.SetStatus(ActivityStatusCode.Error);
        }

        var method = span.GetTagItem("http.request.method") as string ?? "HTTP";
        if ((context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText is { } route)
        {
            span.SetTag("http.route", route);
            span.DisplayName = $"{method} {route}";
        }
        else
        {
            // Never the path: a name that anyone can make up is no name.
            span.DisplayName = method;
        }
    }
}
