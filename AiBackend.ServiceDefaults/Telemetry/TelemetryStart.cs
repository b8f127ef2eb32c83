using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace AiBackend.ServiceDefaults.Telemetry;

/// <summary>Being constructed before any other service starts is its work: from then on the providers listen.</summary>
/// <remarks>The container disposes the providers after everything has stopped, which sends what they still hold.</remarks>
internal sealed class TelemetryStart : IHostedService
{
    public TelemetryStart(TracerProvider traces, MeterProvider metrics)
    {
        ArgumentNullException.ThrowIfNull(traces);
        ArgumentNullException.ThrowIfNull(metrics);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
