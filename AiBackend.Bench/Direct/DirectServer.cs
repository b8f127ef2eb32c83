using System.Diagnostics;
using System.Globalization;
using System.Text;
using AiBackend.Core.Providers;
using Microsoft.Extensions.AI;

namespace AiBackend.Bench.Direct;

/// <summary>The baselines: plain endpoints without queue or storage that call the model with the product's own provider code.</summary>
internal static class DirectServer
{
    public static async Task RunAsync(string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.AddProviders();
        var app = builder.Build();
        app.MapGet("/", () => "ready");
        app.MapPost("/ack", AcknowledgeAsync);
        app.MapGet("/run", RunWithoutQueueAsync);
        app.MapGet("/stream", StreamInlineAsync);
        await app.RunAsync();
    }

    /// <summary>The floor of <c>submit</c>: reads the body and answers.</summary>
    private static async Task<IResult> AcknowledgeAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(request.Body, Encoding.UTF8);
        await reader.ReadToEndAsync(cancellationToken);
        return Results.Text($$"""{"id":"{{Guid.CreateVersion7()}}"}""", "application/json", statusCode: StatusCodes.Status202Accepted);
    }

    /// <summary>The floor of <c>llm</c>: the same calls, as many at a time, from a list in memory.</summary>
    private static async Task<string> RunWithoutQueueAsync(
        int jobs,
        [Microsoft.AspNetCore.Mvc.FromQuery(Name = "at_once")] int atOnce,
        string model,
        RoutedChat chat,
        CancellationToken cancellationToken
    )
    {
        var watch = Stopwatch.StartNew();
        await Parallel.ForAsync(
            0,
            jobs,
            new ParallelOptions { MaxDegreeOfParallelism = atOnce, CancellationToken = cancellationToken },
            async (_, token) =>
            {
                await foreach (var __ in chat.StreamAsync(model, Prompt, null, token))
                {
                    // Only the time counts.
                }
            }
        );
        return watch.Elapsed.TotalSeconds.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>The baseline of <c>llm-live</c>: calls the model and writes each piece to the caller.</summary>
    private static async Task StreamInlineAsync(string model, RoutedChat chat, HttpResponse response, CancellationToken cancellationToken)
    {
        response.ContentType = "text/event-stream";
        await foreach (var progress in chat.StreamAsync(model, Prompt, null, cancellationToken))
        {
            if (progress is ChatProgress.Text(var delta))
            {
                await response.WriteAsync($"data: {delta}\n\n", cancellationToken);
                await response.Body.FlushAsync(cancellationToken);
            }
        }
    }

    private static IReadOnlyList<ChatMessage> Prompt { get; } = [new(ChatRole.User, new string('x', 200))];
}
