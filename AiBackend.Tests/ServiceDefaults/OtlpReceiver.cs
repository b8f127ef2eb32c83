using System.Collections.Concurrent;
using System.Net;
using AiBackend.Tests.Fixtures;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace AiBackend.Tests.ServiceDefaults;

internal sealed record ReceivedSpan(string Service, string Source, string Name, string TraceId, Dictionary<string, string> Tags)
{
    public override string ToString() => $"{Source}: {Name} {string.Join(' ', Tags)}";
}

internal sealed record ReceivedMetric(string Service, string Meter, string Name, string Unit);

internal sealed record ReceivedLog(string Service, string Category, string Body, string TraceId, Dictionary<string, string> Attributes);

/// <summary>A collector on loopback that speaks OTLP over HTTP and over gRPC and keeps what it is sent.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OtlpReceiver(WebApplication app)
    {
        _app = app;
    }

    public ConcurrentQueue<ReceivedSpan> Spans { get; } = [];

    public ConcurrentQueue<ReceivedMetric> Metrics { get; } = [];

    public ConcurrentQueue<ReceivedLog> Logs { get; } = [];

    public ConcurrentDictionary<string, string> Resource { get; } = [];

    /// <summary>All that came, by what it is, such as <c>traces</c>, byte by byte.</summary>
    public ConcurrentQueue<(string Kind, byte[] Body)> Raw { get; } = [];

    public static async Task<OtlpReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // Without TLS nothing negotiates the version, so each has its own port.
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
        });
        var receiver = new OtlpReceiver(builder.Build());
        receiver._app.Run(receiver.ReceiveAsync);
        await receiver._app.StartAsync(TestRun.Cancel);
        return receiver;
    }

    public string Address(string protocol) => _app.Urls.ElementAt(protocol == "grpc" ? 1 : 0);

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task ReceiveAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        Raw.Enqueue((context.Request.Path.Value!.Split('/')[^1], body.ToArray()));
        var isGrpc = context.Request.ContentType == "application/grpc";
        // A gRPC message follows one byte that says "not compressed" and four that hold its length.
        var message = new ProtoMessage(body.ToArray().AsSpan(isGrpc ? 5 : 0));
        var keep = context.Request.Path.Value switch
        {
            "/v1/traces" or "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => KeepSpans,
            "/v1/metrics" or "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => KeepMetrics,
            "/v1/logs" or "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => (Action<ProtoMessage>)KeepLogs,
            var path => throw new InvalidOperationException($"nobody exports to {path}"),
        };
        foreach (var resource in message.All(1))
        {
            keep(resource);
        }

        context.Response.ContentType = isGrpc ? "application/grpc" : "application/x-protobuf";
        await context.Response.Body.WriteAsync(isGrpc ? new byte[5] : [], context.RequestAborted);
        if (isGrpc)
        {
            context.Response.AppendTrailer("grpc-status", "0");
        }
    }

    private void KeepSpans(ProtoMessage resource)
    {
        var service = Service(resource);
        foreach (var scope in resource.All(2))
        {
            var source = scope.All(1).Single().Text(1);
            foreach (var span in scope.All(2))
            {
                Spans.Enqueue(new(service, source, span.Text(5), Convert.ToHexStringLower(span.Bytes(1)), span.Attributes(9)));
            }
        }
    }

    private void KeepMetrics(ProtoMessage resource)
    {
        var service = Service(resource);
        foreach (var scope in resource.All(2))
        {
            var meter = scope.All(1).Single().Text(1);
            foreach (var metric in scope.All(2))
            {
                Metrics.Enqueue(new(service, meter, metric.Text(1), metric.Text(3)));
            }
        }
    }

    private void KeepLogs(ProtoMessage resource)
    {
        var service = Service(resource);
        foreach (var scope in resource.All(2))
        {
            var category = scope.All(1).Select(name => name.Text(1)).FirstOrDefault("");
            foreach (var log in scope.All(2))
            {
                var body = log.All(5).Single().Text(1);
                Logs.Enqueue(new(service, category, body, Convert.ToHexStringLower(log.Bytes(9)), log.Attributes(6)));
            }
        }
    }

    private string Service(ProtoMessage resource)
    {
        foreach (var (name, value) in resource.All(1).Single().Attributes(1))
        {
            Resource[name] = value;
        }

        return Resource["service.name"];
    }
}
