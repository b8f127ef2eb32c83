using System.Globalization;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Webhooks;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using WebhookSource = AiBackend.ApiContracts.Webhooks.WebhookSource;

namespace AiBackend.Tests.Webhooks;

/// <summary>What tests of inbound webhooks have in common: a tenant of each test, sources, signed messages.</summary>
public abstract class InboundWebhooks(ApiServer api)
{
    private protected const string Template =
        """{"prompt":"Ticket {{data.id}}: {{data.text}}","system":"Be brief.","feature":"tickets","metadata":{"ticket":"{{data.id}}"}}""";

    private protected const string Body = """{"data": {"id": 17, "text": "It is broken."}}""";

    private HttpClient? _http;

    /// <summary>The tenant of this test.</summary>
    private protected async Task<HttpClient> HttpAsync() => _http ??= api.Client(await api.AddTenantAsync());

    private protected async Task<Job> JobAsync(Guid id)
    {
        var text = await (await HttpAsync()).GetStringAsync($"/api/v1/jobs/{id}", TestRun.Cancel);
        return JsonSerializer.Deserialize(text, WireJson.Default.Job)!;
    }

    private protected async Task<WebhookSource> AddAsync() =>
        await ReadAsync(await SendAsync(await HttpAsync(), HttpMethod.Post, "", $$"""{"name":"n","template":{{Template}}}"""));

    private protected async Task<WebhookReceipt> ReceiptAsync(WebhookSource source, string id)
    {
        using var response = await DeliverAsync(source.Path, Sign(source.Secret!, id, Body), Body);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonSerializer.Deserialize(text, WireJson.Default.WebhookReceipt)!;
    }

    private protected static Dictionary<string, string[]> Sign(string secret, string id, string body, TimeSpan age = default)
    {
        var timestamp = (TimeProvider.System.GetUtcNow() - age).ToUnixTimeSeconds();
        return new(StringComparer.Ordinal)
        {
            ["webhook-id"] = [id],
            ["webhook-timestamp"] = [timestamp.ToString(CultureInfo.InvariantCulture)],
            ["webhook-signature"] = [WebhookSecret.TryParse(secret)!.Sign(id, timestamp, body)],
        };
    }

    private protected async Task<HttpResponseMessage> DeliverAsync(string path, Dictionary<string, string[]> headers, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        foreach (var (name, values) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, values);
        }

        if (body.Length <= 100_000)
        {
            return await api.Client(null).SendAsync(request, TestRun.Cancel);
        }

        // So that the answer is heard before a large body is sent, however long it takes: whoever sends it may be cut off before the answer.
        request.Headers.ExpectContinue = true;
        using var handler = new SocketsHttpHandler { Expect100ContinueTimeout = TimeSpan.FromMinutes(1) };
        using var client = new HttpClient(handler) { BaseAddress = api.Address };
        return await client.SendAsync(request, TestRun.Cancel);
    }

    private protected static async Task<HttpResponseMessage> SendAsync(HttpClient http, HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, "/api/v1/webhooks/inbound" + path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        return await http.SendAsync(request, TestRun.Cancel);
    }

    private protected static async Task<WebhookSource> ReadAsync(HttpResponseMessage response)
    {
        using var _ = response;
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonSerializer.Deserialize(text, WireJson.Default.WebhookSource)!;
    }

    private protected async Task<List<string>> MessagesAsync(Guid jobId)
    {
        var input = await (await HttpAsync()).GetStringAsync($"/api/v1/jobs/{jobId}/input", TestRun.Cancel);
        var chat = JsonDocument.Parse(input).RootElement;
        var messages = chat.TryGetProperty("messages", out var direct) ? direct : chat.GetProperty("input").GetProperty("messages");
        return [.. messages.EnumerateArray().Select(each => $"{each.GetProperty("role")}: {each.GetProperty("content")}")];
    }

    private protected async Task<long> CountAsync(Guid source)
    {
        await using var command = api.Db.Source.CreateCommand(
            "SELECT count(*) FROM webhook_receipts r JOIN jobs j ON j.id = r.job_id WHERE r.source_id = $1"
        );
        command.Parameters.AddWithValue(source);
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private protected async Task ExecuteAsync(string sql, Guid source)
    {
#pragma warning disable CA2100 // Constants of the tests.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue(source);
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }
}
