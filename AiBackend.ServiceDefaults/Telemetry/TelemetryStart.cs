using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace AiBackend.ServiceDefaults.Telemetry;

/// <summary>Starts listening before any other service starts.</summary>
/// <remarks>The container disposes the providers after everything has stopped, which sends what they still hold.</remarks>
internal sealed class TelemetryStart(IServiceProvider services, ContentCapture content, ILogger<TelemetryStart> logger)
    : IHostedService,
        IDisposable
{
    private IDisposable? _requests;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        // A provider listens from its construction on, and nobody else asks for it.
        services.GetRequiredService<TracerProvider>();
        services.GetRequiredService<MeterProvider>();
        // Only a web process has one.
        _requests = services.GetService<DiagnosticListener>() is { } requests ? RequestSpans.Watch(requests) : null;
        content.Report(logger);

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _requests?.Dispose();
}
