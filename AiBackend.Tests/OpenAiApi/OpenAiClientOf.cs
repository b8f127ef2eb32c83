using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>Raw calls under /v1: what no SDK would send, and every byte of what comes back.</summary>
internal static class OpenAiClientOf
{
    public const string Hello = """{"model":"default","messages":[{"role":"user","content":"Hello"}]}""";
    public const string HelloStream = """{"model":"default","stream":true,"messages":[{"role":"user","content":"Hello"}]}""";

    public static Task<HttpResponseMessage> CallAsync(this ApiServer api, string body, params (string Name, string Value)[] headers) =>
        api.Http.CallAsync("/v1/chat/completions", Encoding.UTF8.GetBytes(body), TestRun.Cancel, headers);

    public static async Task<HttpResponseMessage> CallAsync(
        this HttpClient http,
        string path,
        byte[] body,
        CancellationToken cancellationToken,
        params (string Name, string Value)[] headers
    )
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        foreach (var (name, value) in headers)
        {
            _ = request.Headers.TryAddWithoutValidation(name, value) || request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    public static Guid JobIdOf(HttpResponseMessage response) => Guid.Parse(response.Headers.GetValues("x-aibackend-job-id").Single());

    /// <summary>Reads an error and checks what every one of them promises.</summary>
    public static async Task<JsonElement> ReadErrorAsync(HttpResponseMessage response, HttpStatusCode status)
    {
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(status == response.StatusCode, $"{response.StatusCode}: {text}");
        Assert.Equal("application/json; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        Assert.Matches("^req_[0-9a-f]{32,}$", response.Headers.GetValues("x-request-id").Single());
        return ErrorOf(text);
    }

    public static JsonElement ErrorOf(string json)
    {
        var body = JsonElement.Parse(json);
        Assert.Equal(["error"], body.EnumerateObject().Select(member => member.Name));
        var error = body.GetProperty("error");
        Assert.Equal(["message", "type", "param", "code"], error.EnumerateObject().Select(member => member.Name));
        Assert.NotEmpty(error.GetProperty("message").GetString()!);
        return error;
    }

    public static async Task<JsonElement> ReadAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonElement.Parse(text);
    }

    /// <summary>The data of every event, to the end of the connection.</summary>
    public static async Task<List<string>> ReadStreamAsync(HttpResponseMessage response, Action<string>? observe = null)
    {
        Assert.True(response.IsSuccessStatusCode, $"{response.StatusCode}");
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.ToString());
        var all = new List<string>();
        await using var stream = await response.Content.ReadAsStreamAsync(TestRun.Cancel);
        await foreach (var item in SseParser.Create(stream, (_, data) => Encoding.UTF8.GetString(data)).EnumerateAsync(TestRun.Cancel))
        {
            all.Add(item.Data);
            observe?.Invoke(item.Data);
        }

        return all;
    }

    /// <summary>The text of a stream of chunks.</summary>
    public static string TextOf(IEnumerable<string> chunks) =>
        string.Concat(
            chunks
                .Where(data => data != "[DONE]")
                .Select(data => JsonElement.Parse(data))
                .Where(chunk => chunk.TryGetProperty("choices", out var choices) && choices.GetArrayLength() > 0)
                .Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta"))
                .Select(delta => delta.TryGetProperty("content", out var content) ? content.GetString() : null)
        );

    /// <summary>The one job that waits.</summary>
    public static async Task<Guid> NextJobAsync(this ApiServer api, Guid after = default) =>
        await Eventually.GetAsync(
            async _ =>
            {
                await using var command = api.Db.Source.CreateCommand(
                    "SELECT j.id FROM jobs j JOIN job_payloads p ON p.job_id = j.id WHERE j.status = 1 AND j.id > $1 AND p.trace_parent IS NOT NULL ORDER BY j.id DESC LIMIT 1"
                );
                command.Parameters.AddWithValue(after);
                return await command.ExecuteScalarAsync(TestRun.Cancel) as Guid? ?? Guid.Empty;
            },
            id => id != Guid.Empty,
            "a job waits"
        );

    /// <summary>Why an answer ended, as its chunks say.</summary>
    public static IEnumerable<string?> Reasons(IEnumerable<JsonElement> chunks) =>
        chunks
            .Where(chunk => chunk.GetProperty("choices").GetArrayLength() > 0)
            .Select(chunk => chunk.GetProperty("choices")[0].GetProperty("finish_reason").GetString())
            .Where(reason => reason is not null);
}
