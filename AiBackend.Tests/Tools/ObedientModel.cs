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

    /// <summary>Tokens that each answer bills, in and out; null bills nothing, and says nothing of it.</summary>
    public (int Input, int Output)? Usage { get; init; }

    /// <summary>How many orders they obey in one answer.</summary>
    public int AtOnce { get; init; } = 1;

    /// <summary>The calls that they asked for, as name and arguments.</summary>
    public ConcurrentQueue<string> Obeyed { get; } = [];

    public static async Task<ObedientModel> StartAsync(int atOnce = 1, (int Input, int Output)? usage = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var model = new ObedientModel(app) { AtOnce = atOnce, Usage = usage };
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
        var done = AtOnce * messages.EnumerateArray().Count(message => message.TryGetProperty("tool_calls", out _));
        var orders = messages.EnumerateArray().SelectMany(Texts).SelectMany(text => Order().Matches(text)).Skip(done).Take(AtOnce).ToList();
        object delta = new { role = "assistant", content = "Done." };
        if (orders.Count > 0)
        {
            var calls = orders.Select(order => (Name: order.Groups["name"].Value, Arguments: order.Groups["arguments"].Value)).ToList();
            calls.ForEach(call => Obeyed.Enqueue($"{call.Name} {call.Arguments}"));
            delta = new
            {
                role = "assistant",
                tool_calls = calls
                    .Select(
                        (call, i) =>
                            new
                            {
                                index = i,
                                id = $"call_{done + i}",
                                type = "function",
                                function = new { name = call.Name, arguments = call.Arguments },
                            }
                    )
                    .ToArray(),
            };
        }

        context.Response.ContentType = "text/event-stream";
        await SendAsync(context, delta, null);
        await SendAsync(context, new { }, orders.Count > 0 ? "tool_calls" : "stop");
        if (Usage is { } usage)
        {
            var billed =
                $$$"""{"choices":[],"model":"obedient","usage":{"prompt_tokens":{{{usage.Input}}},"completion_tokens":{{{usage.Output}}}}}""";
            await context.Response.WriteAsync($"data: {billed}\n\n", context.RequestAborted);
        }

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

    [GeneratedRegex(@"CALL (?<name>\w+) (?<arguments>\{[^}]*\})", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 60_000)]
    private static partial Regex Order();
}
