using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Tools;

/// <summary>A provider whose models do whatever a text says that they are given, wherever it comes from: <c>CALL name {…}</c>, one after the other.</summary>
internal sealed partial class ObedientModel : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ObedientModel(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());

    /// <summary>The calls that they asked for, as name and arguments.</summary>
    public ConcurrentQueue<string> Obeyed { get; } = [];

    public static async Task<ObedientModel> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var model = new ObedientModel(app);
        app.MapPost("/v1/chat/completions", model.AnswerAsync);
        await app.StartAsync(TestRun.Cancel);
        return model;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        var messages = (await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted)).RootElement.GetProperty(
            "messages"
        );
        var done = messages.EnumerateArray().Count(message => message.TryGetProperty("tool_calls", out _));
        var orders = messages.EnumerateArray().SelectMany(Texts).SelectMany(text => Order().Matches(text)).ToList();
        object delta = new { role = "assistant", content = "Done." };
        if (orders.Count > done)
        {
            var (name, arguments) = (orders[done].Groups["name"].Value, orders[done].Groups["arguments"].Value);
            Obeyed.Enqueue($"{name} {arguments}");
            delta = new
            {
                role = "assistant",
                tool_calls = new[]
                {
                    new
                    {
                        index = 0,
                        id = $"call_{done}",
                        type = "function",
                        function = new { name, arguments },
                    },
                },
            };
        }

        context.Response.ContentType = "text/event-stream";
        await SendAsync(context, delta, null);
        await SendAsync(context, new { }, orders.Count > done ? "tool_calls" : "stop");
        await context.Response.WriteAsync("data: [DONE]\n\n", context.RequestAborted);
    }

    private static Task SendAsync(HttpContext context, object delta, string? finish)
    {
        var chunk = new
        {
            id = "c",
            @object = "chat.completion.chunk",
            created = 0,
            model = "obedient",
            choices = new[]
            {
                new
                {
                    index = 0,
                    delta,
                    finish_reason = finish,
                },
            },
        };
        return context.Response.WriteAsync($"data: {JsonSerializer.Serialize(chunk)}\n\n", context.RequestAborted);
    }

    private static IEnumerable<string> Texts(JsonElement message) =>
        !message.TryGetProperty("content", out var content) ? []
        : content.ValueKind == JsonValueKind.String ? [content.GetString()!]
        : content.ValueKind == JsonValueKind.Array
            ? content
                .EnumerateArray()
                .Where(part => part.TryGetProperty("text", out _))
                .Select(part => part.GetProperty("text").GetString()!)
        : [];

    [GeneratedRegex(@"CALL (?<name>\w+) (?<arguments>\{[^}]*\})", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Order();
}
