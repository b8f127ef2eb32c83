using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace AiBackend.ServiceDefaults.Telemetry;

/// <summary>Traces, metrics and logs by OTLP, with the variables of the OpenTelemetry specification.</summary>
/// <remarks>
/// The SDK reads protocol, headers, intervals, sampler and resource attributes from the configuration it is given. The
/// names are those of semantic conventions 1.2x that .NET 10 itself emits: there is no instrumentation package to add.
/// </remarks>
internal static class TelemetryRegistration
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    private static readonly string[] Sources =
    [
        "Microsoft.AspNetCore",
        "Microsoft.AspNetCore.Hosting",
        "System.Net.Http",
        "Npgsql",
        "AiBackend.*",
    ];

    private static readonly string[] Meters =
    [
        "Microsoft.AspNetCore.Hosting",
        "Microsoft.AspNetCore.Server.Kestrel",
        "System.Net.Http",
        "System.Runtime",
        "Npgsql",
        "AiBackend.*",
    ];

    public static void AddTelemetry(this IHostApplicationBuilder builder)
    {
        if (string.IsNullOrWhiteSpace(builder.Configuration[Endpoint]))
        {
            return;
        }

        // ASP.NET Core 10 can put the HTTP attributes on its spans itself, but does so only when asked.
        AppContext.SetSwitch("Microsoft.AspNetCore.Hosting.SuppressActivityOpenTelemetryData", false);

        var application = builder.Environment.ApplicationName;
        builder.Services.AddSingleton<ContentCapture>();
        builder.Services.AddSingleton(services => Traces(Settings(services), application, services.GetRequiredService<ContentCapture>()));
        builder.Services.AddSingleton(services => Metrics(Settings(services), application));
        builder.Services.AddHostedService<TelemetryStart>();
        builder.Logging.AddOpenTelemetry(logs => AddLogs(logs, application));
    }

    private static IConfiguration Settings(IServiceProvider services) => services.GetRequiredService<IConfiguration>();

    private static TracerProvider Traces(IConfiguration settings, string application, ContentCapture content) =>
        Sdk.CreateTracerProviderBuilder()
            .ConfigureServices(services => services.AddSingleton(settings))
            .ConfigureResource(resource => Describe(resource, application))
            .AddSource(Sources)
            .AddProcessor(new ExportGuard(content.IsAllowed))
            .AddOtlpExporter()
            .Build();

    private static MeterProvider Metrics(IConfiguration settings, string application) =>
        Sdk.CreateMeterProviderBuilder()
            .ConfigureServices(services => services.AddSingleton(settings))
            .ConfigureResource(resource => Describe(resource, application))
            .AddMeter(Meters)
            .AddOtlpExporter()
            .Build();

    private static void AddLogs(OpenTelemetryLoggerOptions logs, string application)
    {
        var resource = ResourceBuilder.CreateEmpty();
        Describe(resource, application);
        logs.SetResourceBuilder(resource).AddOtlpExporter();
        logs.IncludeFormattedMessage = true;
    }

    private static void Describe(ResourceBuilder resource, string application)
    {
        // Later detectors win: what the environment says about this process beats what we would call it.
        resource.Clear().AddTelemetrySdk().AddService(application).AddEnvironmentVariableDetector();
    }
}
