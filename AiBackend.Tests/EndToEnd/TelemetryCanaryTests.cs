using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.ServiceDefaults;

namespace AiBackend.Tests.EndToEnd;

/// <summary>What people write and models answer leaves no process by its logs, traces and metrics, whatever it is asked to do.</summary>
[Collection(StackCollection.Name)]
public sealed class TelemetryCanaryTests
{
    private readonly string _marker = $"marker{Guid.CreateVersion7():N}";
    private readonly string _secret = $"secret{Guid.CreateVersion7():N}";
    private readonly List<string> _keys = [];

    [Fact]
    public async Task A_65_D_16_no_log_trace_metric_dump_or_refusal_has_a_word_of_a_job_an_embedding_a_batch_or_a_webhook_or_any_secret()
    {
        StackFixture.RequireServers();
        await using var collector = await OtlpReceiver.StartAsync();
        await using var stack = await Stack.StartAsync(
            $"--ASPIRE_DASHBOARD_OTLP_HTTP_ENDPOINT_URL={collector.Address("http/protobuf")}",
            // Metrics are sent every second then, and not once a minute.
            "--environment=Development"
        );
        var client = new JobClient(stack);
        await AddWebhookAsync(stack);
        var paths = new CanaryPaths(stack, _marker, _secret);

        var done = await client.SubmitAsync(await TeachAsync(stack, new { text = $"{_marker} is the answer" }), _marker);
        var failed = await client.SubmitAsync(await TeachAsync(stack, new { error_rate = 1, error_status = 400 }), _marker);
        await EmbedAsync(stack);
        var batch = await BeginBatchAsync(stack);
        var received = await ReceiveAsync(stack);
        Assert.Equal(JobStatuses.Completed, (await client.EndAsync(done)).Status);
        Assert.Equal(JobStatuses.Failed, (await client.EndAsync(failed)).Status);
        await client.EndAsync(received);
        var ticket = (await PostAsync(stack, $"/api/v1/jobs/{done}/stream-tickets", "{}")).GetProperty("ticket").GetString()!;
        using var read = await stack.Anonymous.GetAsync($"/api/v1/jobs/{done}/events?ticket={ticket}", TestRun.Cancel);
        Assert.Equal(System.Net.HttpStatusCode.OK, read.StatusCode);
        await EndBatchAsync(stack, batch);
        await paths.WalkAsync();
        await ArrivedAsync(collector, "traces", $"{done}");
        await ArrivedAsync(collector, "traces", $"/api/v1/jobs/{done}/events");
        await ArrivedAsync(collector, "logs", "");
        await ArrivedAsync(collector, "metrics", "aibackend.job.accepted");

        // The ticket too: it is part of an address.
        string[] all = [_marker, _secret, ticket, .. _keys];
        Assert.All(
            await StateFiles.ReadAsync(stack.StateDirectory),
            read =>
                Assert.All(
                    all,
                    canary => Assert.False(read.Text.Contains(canary, StringComparison.Ordinal), $"{read.File} holds {canary}.")
                )
        );
        Assert.All(
            collector.Raw,
            sent =>
                Assert.All(all, canary => Assert.False(Holds(sent.Body, canary), $"{sent.Kind} hold {canary}: {Around(sent.Body, canary)}"))
        );
        var audit = await stack.Api.GetStringAsync("/api/v1/audit?limit=200", TestRun.Cancel);
        Assert.All((string[])[_secret, .. _keys], canary => Assert.DoesNotContain(canary, audit, StringComparison.Ordinal));
        Assert.Contains("credential", audit, StringComparison.Ordinal);
        Assert.All(paths.Refusals, told => Assert.All(all, canary => Assert.DoesNotContain(canary, told, StringComparison.Ordinal)));
    }

    /// <summary>The first message fails, since nobody has this name.</summary>
    private async Task AddWebhookAsync(Stack stack) =>
        Keep(await PostAsync(stack, "/api/v1/webhooks", $$"""{"url":"https://hooks.invalid/{{_marker}}","description":"{{_marker}}"}"""));

    /// <summary>The secret of a webhook, which was shown once.</summary>
    private void Keep(JsonElement made) => _keys.Add(made.GetProperty("secret").GetString()!["whsec_".Length..]);

    private async Task EmbedAsync(Stack stack)
    {
        var model = $"sim-embed-{Guid.CreateVersion7():N}";
        await BehaveAsync(stack, model, new { });
        await PostAsync(stack, "/v1/embeddings", $$"""{"model":"{{model}}","input":"{{_marker}}","user":"{{_marker}}"}""");
    }

    private async Task<string> BeginBatchAsync(Stack stack)
    {
        var model = await TeachAsync(stack, new { text = $"{_marker} is the answer" });
        var good =
            $$"""{"custom_id":"{{_marker}}","method":"POST","url":"/v1/chat/completions","body":{"model":"{{model}}","messages":[{"role":"user","content":"{{_marker}}"}] } }""";
        var bad = $$"""{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{"model":"{{model}}","{{_marker}}":1} }""";
        var part = new ByteArrayContent(Encoding.UTF8.GetBytes(good + "\n" + bad + "\n"));
        using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { part, "file", $"{_marker}.jsonl" } };
        using var uploaded = await stack.Api.PostAsync("/v1/files", form, TestRun.Cancel);
        var file = (await uploaded.Content.ReadFromJsonAsync<JsonElement>(TestRun.Cancel)).GetProperty("id").GetString();
        var batch = await PostAsync(
            stack,
            "/v1/batches",
            $$"""{"input_file_id":"{{file}}","endpoint":"/v1/chat/completions","completion_window":"24h","metadata":{"x":"{{_marker}}"} }"""
        );
        return batch.GetProperty("id").GetString()!;
    }

    private static Task EndBatchAsync(Stack stack, string id) =>
        Eventually.TrueAsync(
            async token =>
                (await stack.Api.GetFromJsonAsync<JsonElement>($"/v1/batches/{id}", token)).GetProperty("status").GetString()
                == "completed",
            "the batch is completed",
            TimeSpan.FromSeconds(60)
        );

    /// <returns>The job that a signed message became.</returns>
    private async Task<Guid> ReceiveAsync(Stack stack)
    {
        var source = await PostAsync(
            stack,
            "/api/v1/webhooks/inbound",
            $$$"""{"name":"n","template":{"prompt":"{{text}}","system":"{{{_marker}}}"}}"""
        );
        Keep(source);
        var (id, at) = ($"{Guid.CreateVersion7():N}", TimeProvider.System.GetUtcNow().ToUnixTimeSeconds());
        var body = $$"""{"text":"{{_marker}}"}""";
        using var request = new HttpRequestMessage(HttpMethod.Post, source.GetProperty("path").GetString());
        request.Content = new StringContent(body, new MediaTypeHeaderValue("application/json"));
        request.Headers.TryAddWithoutValidation("webhook-id", id);
        request.Headers.TryAddWithoutValidation("webhook-timestamp", at.ToString(CultureInfo.InvariantCulture));
        request.Headers.TryAddWithoutValidation(
            "webhook-signature",
            WebhookSecret.TryParse(source.GetProperty("secret").GetString()!)!.Sign(id, at, body)
        );
        using var taken = await stack.Anonymous.SendAsync(request, TestRun.Cancel);
        var receipt = await taken.Content.ReadFromJsonAsync<JsonElement>(TestRun.Cancel);
        return receipt.GetProperty("job_id").GetGuid();
    }

    /// <summary>The same search finds what is sent and no secret: else it would find nothing.</summary>
    private static Task ArrivedAsync(OtlpReceiver collector, string kind, string text) =>
        Eventually.TrueAsync(
            _ => Task.FromResult(collector.Raw.Any(sent => sent.Kind == kind && Holds(sent.Body, text))),
            $"{kind} with {text} arrive",
            TimeSpan.FromSeconds(60)
        );

    private static string Around(byte[] body, string canary)
    {
        var text = Encoding.Latin1.GetString(body);
        var at = text.IndexOf(canary, StringComparison.Ordinal);
        return text[Math.Max(0, at - 300)..Math.Min(text.Length, at + 100)];
    }

    private static bool Holds(byte[] body, string text) => body.AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)) >= 0;

    private static async Task<string> TeachAsync(Stack stack, object behaviour)
    {
        var model = $"sim-{Guid.CreateVersion7():N}";
        await BehaveAsync(stack, model, behaviour);
        return model;
    }

    private static async Task BehaveAsync(Stack stack, string model, object behaviour)
    {
        using var response = await stack.Simulator.PutAsJsonAsync($"/sim/behaviours/{model}", behaviour, TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    private static async Task<JsonElement> PostAsync(Stack stack, string path, string body)
    {
        using var content = new StringContent(body, new MediaTypeHeaderValue("application/json"));
        using var response = await stack.Api.PostAsync(path, content, TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
        return await response.Content.ReadFromJsonAsync<JsonElement>(TestRun.Cancel);
    }
}
