using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Tools;

/// <summary>A server on loopback whose JSON answers begin and do not go on.</summary>
internal sealed class StalledServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private StalledServer(WebApplication app) => _app = app;

    public Uri Address => new(new Uri(_app.Urls.First()), "/mcp");

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
        await app.StartAsync(TestRun.Cancel);
        return new StalledServer(app);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
