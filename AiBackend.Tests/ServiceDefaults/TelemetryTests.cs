using System.Diagnostics;
using System.Diagnostics.Metrics;
using AiBackend.ServiceDefaults;
using AiBackend.Tests.Fixtures;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace AiBackend.Tests.ServiceDefaults;

/// <summary>What leaves a process by OTLP, seen from the collector's side.</summary>
public sealed class TelemetryTests
{
    private const string SourceName = "AiBackend.Tests.Telemetry";

    private static readonly ActivitySource Source = new(SourceName);

    [Theory]
    [InlineData("http/protobuf")]
    [InlineData("grpc")]
    public async Task Traces_metrics_and_logs_of_a_request_arrive_under_the_service_name(string protocol)
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        var service = "api-" + protocol;
        await using var process = await ServiceUnderTest.StartAsync(Settings(receiver, protocol, service), map: MapWork);

        await process.Client.GetStringAsync("/things/7?key=secret", TestRun.Cancel);

        var request = await SpanAsync(receiver, service, span => span.Name == "GET /things/{id}");
        var own = await SpanAsync(receiver, service, span => span.Source == SourceName);
        var log = await Eventually.GetAsync(
            _ => Task.FromResult(receiver.Logs.FirstOrDefault(log => log.Service == service && log.Body == "Work 7 was done")),
            log => log is not null,
            "the log of the request arrives"
        );
        await MetricAsync(receiver, service, "Microsoft.AspNetCore.Hosting", "http.server.request.duration");
        await MetricAsync(receiver, service, "System.Runtime", "dotnet.gc.collections");
        await MetricAsync(receiver, service, SourceName, "aibackend.test.work");
        Assert.Equal(("/things/7", "200"), (request.Tags["url.path"], request.Tags["http.response.status_code"]));
        Assert.DoesNotContain(request.Tags.Values, value => value.Contains("secret"));
        Assert.Equal((request.TraceId, request.TraceId), (own.TraceId, log!.TraceId));
        Assert.Equal("7", log.Attributes["Id"]);
        Assert.Equal("blue", receiver.Resource["deployment.colour"]);
    }

    [Theory]
    [InlineData("Production", "true", false)]
    [InlineData("Staging", "true", false)]
    [InlineData("Development", "false", false)]
    [InlineData("Development", "true", true)]
    public async Task D_16_prompts_and_answers_leave_only_a_developers_process_that_was_asked_to(
        string environment,
        string capture,
        bool leave
    )
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        var service = $"{environment}-{capture}";
        var settings = Settings(receiver, "http/protobuf", service);
        settings["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = capture;
        await using var process = await ServiceUnderTest.StartAsync(settings, environment: environment);

        using (var span = Source.StartActivity("chat"))
        {
            span!.SetTag("gen_ai.input.messages", "my diagnosis");
            span.SetTag("gen_ai.request.model", "small");
        }

        var received = await SpanAsync(receiver, service, span => span.Name == "chat");
        Assert.Equal("small", received.Tags["gen_ai.request.model"]);
        Assert.Equal(leave, received.Tags.ContainsKey("gen_ai.input.messages"));
    }

    [Fact]
    public async Task D_16_an_operator_who_asks_for_content_in_production_is_told_that_none_is_sent()
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        var settings = Settings(receiver, "http/protobuf", "told");
        settings["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "true";

        await using var process = await ServiceUnderTest.StartAsync(settings);

        await Eventually.TrueAsync(
            () => receiver.Logs.Any(log => log.Service == "told" && log.Body.Contains("MESSAGE_CONTENT was ignored")),
            "the warning arrives"
        );
    }

    [Fact]
    public async Task Health_probes_are_not_traced()
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        await using var process = await ServiceUnderTest.StartAsync(Settings(receiver, "http/protobuf", "probed"), map: MapWork);

        await process.Client.GetStringAsync("/health/live", TestRun.Cancel);
        await process.Client.GetStringAsync("/things/1", TestRun.Cancel);

        await SpanAsync(receiver, "probed", span => span.Name == "GET /things/{id}");
        Assert.DoesNotContain(receiver.Spans, span => span.Tags.GetValueOrDefault("url.path") == "/health/live");
    }

    [Fact]
    public async Task A_process_without_endpoints_reports_what_it_still_held_when_it_stopped()
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        var builder = Host.CreateApplicationBuilder();
        var settings = Settings(receiver, "http/protobuf", "worker");
        settings["OTEL_BSP_SCHEDULE_DELAY"] = "60000";
        settings["OTEL_BLRP_SCHEDULE_DELAY"] = "60000";
        settings["Logging:Console:LogLevel:Default"] = "None";
        builder.Configuration.AddInMemoryCollection(settings);
        builder.AddServiceDefaults();
        var host = builder.Build();
        await host.StartAsync(TestRun.Cancel);

        Source.StartActivity("last words")!.Dispose();
        host.Services.GetRequiredService<ILogger<TelemetryTests>>().LogInformation("Said goodbye");
        await host.StopAsync(TestRun.Cancel);
        host.Dispose();

        // At its end, and not a minute later; it waits some seconds for the collector, which a slow machine may need longer to answer.
        await Eventually.TrueAsync(
            () =>
                receiver.Spans.Any(span => span is { Service: "worker", Name: "last words" })
                && receiver.Logs.Any(log => log is { Service: "worker", Body: "Said goodbye" }),
            "what it held arrives"
        );
    }

    [Fact]
    public async Task Nothing_is_built_without_an_endpoint()
    {
        await using var process = await ServiceUnderTest.StartAsync();

        Assert.Null(process.Services.GetService<TracerProvider>());
        Assert.Null(process.Services.GetService<MeterProvider>());
        Assert.DoesNotContain(
            process.Services.GetServices<ILoggerProvider>(),
            provider => provider.GetType().Namespace!.StartsWith("OpenTelemetry", StringComparison.Ordinal)
        );
    }

    private static Dictionary<string, string?> Settings(OtlpReceiver receiver, string protocol, string service) =>
        new()
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.Address(protocol),
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol,
            ["OTEL_SERVICE_NAME"] = service,
            ["OTEL_RESOURCE_ATTRIBUTES"] = "service.name=overridden,deployment.colour=blue",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "50",
            ["OTEL_BLRP_SCHEDULE_DELAY"] = "50",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "100",
        };

    private static void MapWork(WebApplication app)
    {
        var work = app.Services.GetRequiredService<IMeterFactory>().Create(SourceName).CreateCounter<int>("aibackend.test.work");
        app.MapGet(
            "/things/{id}",
            (string id, ILogger<TelemetryTests> logger) =>
            {
                using var span = Source.StartActivity("work");
                work.Add(1);
                logger.LogInformation("Work {Id} was done", id);
                return Results.Ok();
            }
        );
    }

    private static async Task<ReceivedSpan> SpanAsync(OtlpReceiver receiver, string service, Func<ReceivedSpan, bool> wanted)
    {
        var spans = await Eventually.GetAsync(
            _ => Task.FromResult(new Received<ReceivedSpan>(receiver.Spans.Where(span => span.Service == service))),
            spans => spans.Any(wanted),
            "the span arrives"
        );
        return spans.First(wanted);
    }

    private static Task MetricAsync(OtlpReceiver receiver, string service, string meter, string name) =>
        Eventually.TrueAsync(
            () => receiver.Metrics.Any(metric => metric.Service == service && metric.Meter == meter && metric.Name == name),
            $"{name} of {meter} arrives"
        );

    /// <summary>Shows its elements when an expectation on it fails.</summary>
    private sealed class Received<T>(IEnumerable<T> items) : List<T>(items)
    {
        public override string ToString() => string.Join("\n", this);
    }
}
