using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace AiBackend.ServiceDefaults.Health;

/// <summary>Two questions for whoever keeps processes running: does it live, and should it get traffic?</summary>
internal static class HealthEndpoints
{
    /// <summary>In the data of a check: why, as one word of a documented list and nothing that only we should know.</summary>
    private const string CauseKey = "cause";

    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Head];

    public static void MapHealth(this IEndpointRouteBuilder app)
    {
        // Short-circuited: a rate limiter, sign-in or redirect must never make a healthy process look dead.
        app.MapMethods("/health/live", Methods, Live).WithName("Live").AsProbe();
        app.MapMethods("/health/ready", Methods, ReadyAsync).WithName("Ready").AsProbe();
    }

    private static void AsProbe(this RouteHandlerBuilder endpoint) =>
        endpoint.AllowAnonymous().DisableHttpMetrics().ExcludeFromDescription().ShortCircuit();

    private static JsonHttpResult<Readiness> Live(HttpResponse response)
    {
        response.Headers.CacheControl = "no-store";
        return Answer(new Readiness("healthy", new Dictionary<string, string>(StringComparer.Ordinal)), StatusCodes.Status200OK);
    }

    private static async Task<JsonHttpResult<Readiness>> ReadyAsync(
        ReadinessProbe probe,
        IHostApplicationLifetime lifetime,
        HttpResponse response,
        CancellationToken cancellationToken
    )
    {
        var report = await probe.ReadAsync().WaitAsync(cancellationToken);

        response.Headers.CacheControl = "no-store";
        var checks = report.Entries.ToDictionary(check => check.Key, check => Word(check.Value.Status), StringComparer.Ordinal);
        var causes = report
            .Entries.Where(check => check.Value.Data.ContainsKey(CauseKey))
            .ToDictionary(check => check.Key, check => (string)check.Value.Data[CauseKey], StringComparer.Ordinal);
        // Degraded still serves: the work is accepted and delayed.
        // A process that was told to stop finishes what it has and wants nothing new, whatever its dependencies say.
        var status = lifetime.ApplicationStopping.IsCancellationRequested ? HealthStatus.Unhealthy : report.Status;
        var code = status == HealthStatus.Unhealthy ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK;
        return Answer(new Readiness(Word(status), checks, causes.Count > 0 ? causes : null), code);
    }

    private static JsonHttpResult<Readiness> Answer(Readiness readiness, int code) =>
        TypedResults.Json(readiness, HealthJson.Default.Readiness, statusCode: code);

    private static string Word(HealthStatus status) =>
        status switch
        {
            HealthStatus.Healthy => "healthy",
            HealthStatus.Degraded => "degraded",
            _ => "unhealthy",
        };
}

/// <summary>The wire shape of <c>HealthReport</c> in ApiContracts, which this project does not reference.</summary>
internal sealed record Readiness(
    string Status,
    IReadOnlyDictionary<string, string> Checks,
    IReadOnlyDictionary<string, string>? Causes = null
);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(Readiness))]
internal sealed partial class HealthJson : JsonSerializerContext;
