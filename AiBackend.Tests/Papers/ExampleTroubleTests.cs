using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Papers;

/// <summary>What the examples of docs/api.md promise for the day when something goes wrong.</summary>
[Collection(StackCollection.Name)]
public sealed class ExampleTroubleTests(StackFixture fixture, ExamplePrograms programs) : IClassFixture<ExamplePrograms>
{
    private const string Secret = "whsec_QWlCYWNrZW5kIHRlc3Qgc2VjcmV0LCAzMiBieXRlcyE=";

    private readonly Stack _stack = fixture.Stack;

    [Fact]
    public Task An_example_that_is_cut_off_goes_on_and_shows_every_word_once() =>
        Task.WhenAll(
            IsWholeAsync("stream", "cs"),
            IsWholeAsync("stream", "mjs"),
            IsWholeAsync("stream", "py"),
            IsWholeAsync("background", "cs"),
            IsWholeAsync("background", "mjs")
        );

    private async Task IsWholeAsync(string name, string language)
    {
        await using var proxy = await CuttingProxy.StartAsync(_stack.ApiAddress);

        using var program = await programs.StartAsync(
            ApiTasks.All.Single(task => task.Name == name),
            language,
            new Dictionary<string, string>(StringComparer.Ordinal) { ["AIBACKEND_URL"] = proxy.Address, ["AIBACKEND_KEY"] = _stack.Key }
        );
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(90));
        await program.WaitForExitAsync(patience.Token);

        Assert.True(program.ExitCode == 0, $"{name}.{language}: {program.Output}");
        var path = Assert.Single(proxy.Cut);
        Assert.Equal(await WholeAsync(path), program.Output.Trim());
    }

    [Fact]
    public Task The_receivers_take_what_is_signed_once_and_nothing_else() =>
        Task.WhenAll(ReceivesAsync("cs"), ReceivesAsync("mjs"), ReceivesAsync("py"));

    private async Task ReceivesAsync(string language)
    {
        var receiver = new Uri($"http://127.0.0.1:{FreePort.Next()}/ai");
        using var program = await programs.StartAsync(
            ApiTasks.All.Single(task => task.Name == "webhook"),
            language,
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["WEBHOOK_SECRET"] = Secret,
                ["RECEIVER"] = receiver.GetLeftPart(UriPartial.Authority),
                ["Logging__LogLevel__Default"] = "None",
            }
        );
        const string Body = """{"type":"job.completed","timestamp":"2026-11-20T12:00:00Z","data":{"id":"the-job"}}""";
        const string Told = "job.completed the-job";
        // A connection of its own for each message: a receiver may close one just when the next request is on its way.
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false, PooledConnectionLifetime = TimeSpan.Zero });

        var first = await Eventually.GetAsync(
            async token =>
            {
                try
                {
                    return await SendAsync(http, receiver, "m1", Body, token);
                }
                catch (HttpRequestException failure)
                {
                    return program.HasExited ? throw new InvalidOperationException(program.Output, failure) : default(HttpStatusCode);
                }
            },
            status => status != default,
            "the receiver listens",
            TimeSpan.FromSeconds(60)
        );
        var again = await SendAsync(http, receiver, "m1", Body, TestRun.Cancel);
        var forged = await SendAsync(
            http,
            receiver,
            "m2",
            Body,
            TestRun.Cancel,
            sent: Body.Replace("the-job", "another", StringComparison.Ordinal)
        );
        var old = await SendAsync(http, receiver, "m3", Body, TestRun.Cancel, age: TimeSpan.FromMinutes(10));

        Assert.Equal((HttpStatusCode.NoContent, HttpStatusCode.NoContent), (first, again));
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized), (forged, old));
        // Its server writes lines of its own, which may come first.
        await Eventually.TrueAsync(() => program.Output.Split('\n').Contains(Told), "it said so", TimeSpan.FromSeconds(30));
        Assert.Single(program.Output.Split('\n'), line => line == Told);
        Assert.DoesNotContain("another", program.Output, StringComparison.Ordinal);
    }

    private static async Task<HttpStatusCode> SendAsync(
        HttpClient http,
        Uri receiver,
        string id,
        string body,
        CancellationToken cancellationToken,
        string? sent = null,
        TimeSpan age = default
    )
    {
        var at = (TimeProvider.System.GetUtcNow() - age).ToUnixTimeSeconds();
        using var request = new HttpRequestMessage(HttpMethod.Post, receiver)
        {
            Content = new StringContent(sent ?? body, Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("webhook-id", id);
        request.Headers.Add("webhook-timestamp", at.ToString(CultureInfo.InvariantCulture));
        request.Headers.TryAddWithoutValidation("webhook-signature", "v1,AAAA " + WebhookSecret.TryParse(Secret)!.Sign(id, at, body));
        using var answer = await http.SendAsync(request, cancellationToken);
        return answer.StatusCode;
    }

    /// <summary>The whole text of what was read at this path.</summary>
    private async Task<string> WholeAsync(string path)
    {
        var read = JsonElement.Parse(
            await _stack.Api.GetStringAsync(path.Replace("/events", "", StringComparison.Ordinal), TestRun.Cancel)
        );
        var output = read.GetProperty("output");
        return (
            output.ValueKind is JsonValueKind.Object
                ? output.GetProperty("text")
                : output.EnumerateArray().Last().GetProperty("content")[0].GetProperty("text")
        )
            .GetString()!
            .Trim();
    }
}
