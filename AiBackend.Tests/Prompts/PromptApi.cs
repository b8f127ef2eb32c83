using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Prompts;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Prompts;

/// <summary>Prompts over HTTP.</summary>
internal sealed class PromptApi(ApiServer api, HttpClient? http = null)
{
    private const string Address = "/api/v1/prompts";

    private HttpClient Http => http ?? api.Http;

    /// <summary>A prompt of a name nobody has, whose version 1 is <c>production</c>.</summary>
    public async Task<string> AddAsync(string template, bool isInProduction = true)
    {
        var name = "p-" + Guid.CreateVersion7().ToString("N");
        using var made = await SendAsync(HttpMethod.Post, "", $$"""{"name":"{{name}}","template":{{template}}}""");
        Assert.True(made.StatusCode == HttpStatusCode.Created, await made.Content.ReadAsStringAsync(TestRun.Cancel));
        if (isInProduction)
        {
            await SetAsync(name, "production", """{"version":1}""");
        }

        return name;
    }

    public async Task<PromptVersion> AddVersionAsync(string name, string template) =>
        await ReadAsync(
            await SendAsync(HttpMethod.Post, $"/{name}/versions", $$"""{"template":{{template}}}"""),
            HttpStatusCode.Created,
            WireJson.Default.PromptVersion
        );

    public async Task<PromptLabel> SetAsync(string name, string label, string body) =>
        await ReadAsync(await SendAsync(HttpMethod.Put, $"/{name}/labels/{label}", body), HttpStatusCode.OK, WireJson.Default.PromptLabel);

    public async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type) =>
        await ReadAsync(await SendAsync(HttpMethod.Get, path, null), HttpStatusCode.OK, type);

    public Task<HttpResponseMessage> RollBackAsync(string name, string label = "production") =>
        SendAsync(HttpMethod.Post, $"/{name}/labels/{label}/rollback", null);

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? body, string? key = null)
    {
        using var request = new HttpRequestMessage(method, Address + path);
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        return await Http.SendAsync(request, TestRun.Cancel);
    }

    /// <summary>What a job's model is told.</summary>
    public async Task<ChatInput> InputOfAsync(Guid jobId) =>
        JsonSerializer.Deserialize(
            await ScalarAsync($"SELECT input FROM job_payloads WHERE job_id = '{jobId}'"),
            WireJson.Default.ChatInput
        )!;

    public async Task<string> ScalarAsync(string sql)
    {
        await using var command = api.Db.Source.CreateCommand(sql);
        return (string)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    public static async Task<T> ReadAsync<T>(HttpResponseMessage response, HttpStatusCode status, JsonTypeInfo<T> type)
    {
        using (response)
        {
            var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
            Assert.True(response.StatusCode == status, body);
            return JsonSerializer.Deserialize(body, type)!;
        }
    }

    public static string Job(string prompt, string more = "") =>
        """{"type":"chat"MORE,"input":{"prompt":PROMPT}}"""
            .Replace("MORE", more, StringComparison.Ordinal)
            .Replace("PROMPT", prompt, StringComparison.Ordinal);
}
