using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Tools;

/// <summary>A server on loopback whose JSON answers begin and do not go on, and which has a text that goes on for ever.</summary>
internal sealed class StalledServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private StalledServer(WebApplication app) => _app = app;

    public Uri Address => new(new Uri(_app.Urls.First()), "/mcp");

    public Uri Endless => new(Address, "/endless");

    /// <summary>What the endless text is made of.</summary>
    public const string Endlessly = "ää";

    public static async Task<StalledServer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.MapPost(
            "/mcp",
            async context =>
            {
                context.Response.ContentType = "application/json";
                await context.Response.WriteAsync("{", context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await Task.Delay(Timeout.InfiniteTimeSpan, context.RequestAborted);
            }
        );
        app.MapPost(
            "/endless",
            async context =>
            {
                while (!context.RequestAborted.IsCancellationRequested)
                {
                    await context.Response.WriteAsync(Endlessly, context.RequestAborted);
                }
            }
        );
        await app.StartAsync(TestRun.Cancel);
        return new StalledServer(app);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
