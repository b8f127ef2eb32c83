using System.Text.Json;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Tools;

/// <summary>An MCP server on loopback whose tool does something, and which writes down every call of it by the effect id that it carries.</summary>
internal sealed class McpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Lock _gate = new();
    private readonly List<(string Key, string Tool)> _calls = [];
    private TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _awaited;

    private McpReceiver(WebApplication app) => _app = app;

    public Uri Address => new(new Uri(_app.Urls.First()), "/mcp");

    public IReadOnlyList<(string Key, string Tool)> Calls
    {
        get
        {
            lock (_gate)
            {
                return [.. _calls];
            }
        }
    }

    /// <summary>Only the call that is the last of so many is answered, and all others wait until it is told to hold none.</summary>
    public void HoldFor(int calls)
    {
        lock (_gate)
        {
            _awaited = _calls.Count + calls;
            _released.TrySetResult();
            _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public static async Task<McpReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var receiver = new McpReceiver(app);
        app.MapPost("/mcp", receiver.TakeAsync);
        app.MapDelete("/mcp", () => { });
        await app.StartAsync(TestRun.Cancel);
        return receiver;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        var message = await JsonSerializer.DeserializeAsync<JsonElement>(context.Request.Body, cancellationToken: context.RequestAborted);
        if (!message.TryGetProperty("id", out var id))
        {
            // Notifications want no answer.
            context.Response.StatusCode = StatusCodes.Status202Accepted;
            return;
        }

        var parameters = message.GetProperty("params");
        var result = message.GetProperty("method").GetString() switch
        {
            "initialize" =>
                $$"""{"protocolVersion":{{parameters.GetProperty("protocolVersion").GetRawText()}},"capabilities":{"tools":{} },"serverInfo":{"name":"receiver","version":"1"} }""",
            "tools/list" => """{"tools":[]}""",
            "tools/call" => await CallAsync(parameters, context.RequestAborted),
            // Newer clients ask first for what a server does not know that has sessions.
            _ => null,
        };
        var end = result is null ? "\"error\":{\"code\":-32601,\"message\":\"There is no such method.\"}" : $"\"result\":{result}";
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync($$"""{"jsonrpc":"2.0","id":{{id.GetRawText()}},{{end}} }""", context.RequestAborted);
    }

    private async Task<string> CallAsync(JsonElement parameters, CancellationToken aborted)
    {
        Task until;
        lock (_gate)
        {
            _calls.Add(
                (parameters.GetProperty("_meta").GetProperty("idempotency_key").GetString()!, parameters.GetProperty("name").GetString()!)
            );
            until = _calls.Count >= _awaited ? Task.CompletedTask : _released.Task;
        }

        await until.WaitAsync(aborted);
        return """{"content":[{"type":"text","text":"done"}]}""";
    }
}
