using AiBackend.ServiceDefaults.Health;
using AiBackend.ServiceDefaults.Hosting;
using AiBackend.ServiceDefaults.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace AiBackend.ServiceDefaults;

/// <summary>What every process of AiBackend has in common.</summary>
public static class ServiceDefaultsRegistration
{
    /// <summary>Adds console logging, telemetry, health checks, the clock and shutdown times. Call it first.</summary>
    /// <remarks>
    /// Telemetry is exported only when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set; without it nothing of OpenTelemetry is
    /// built. No HTTP client is wrapped: <see cref="StandardResilienceRegistration"/> is chosen client by client.
    /// </remarks>
    public static IHostApplicationBuilder AddServiceDefaults(this IHostApplicationBuilder builder)
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.AddConsoleLogging();
        builder.AddShutdownTimeout();
        builder.AddTelemetry();
        builder.AddReadiness();

        return builder;
    }

    /// <summary>Maps <c>/health/live</c> and <c>/health/ready</c>: in every environment, for anyone, without details.</summary>
    public static WebApplication MapDefaultEndpoints(this WebApplication app)
    {
        app.MapHealth();

        return app;
    }
}
