using System.Net;
using System.Text.Json;
using AiBackend.Tests.Reviews;

namespace AiBackend.Tests.Audit;

// Acts about what jobs are made of, and what they gave.
public sealed partial class AuditedActTests
{
    private const string Documents = "/knowledge/audited/documents";
    private const string Steps = """{"steps":[{"name":"out","type":"transform","value":1}]}""";
    private const string ClientTool = """{"kind":"client","description":"Looks","effect":"external_wait","parameters":{"type":"object"}}""";

    private const string Version = """{"template":{"messages":[{"role":"user","content":"Hi"}]}}""";

    private static string Prompt(string name) => $$"""{"name":"{{name}}","template":{"messages":[{"role":"user","content":"Hi"}]} }""";

    private async Task<(HttpStatusCode, JsonElement)> OnConversationAsync(string what)
    {
        var (_, made) = await PostAsync("/conversations", """{"messages":[{"role":"user","content":"sk-canary"}]}""");
        return await SendAsync(HttpMethod.Delete, $"/conversations/{made.GetProperty("id").GetString()}{what}", null);
    }

    private async Task<(HttpStatusCode, JsonElement)> DeleteDocumentAsync()
    {
        await SendAsync(HttpMethod.Put, Documents, """{"source":"b","text":"t"}""");
        return await SendAsync(HttpMethod.Delete, Documents + "?source=b", null);
    }

    private async Task<(HttpStatusCode, JsonElement)> OnPromptAsync(string name, HttpMethod method, string path, string body)
    {
        await PostAsync("/prompts", Prompt(name));
        return await SendAsync(method, $"/prompts/{name}{path}", body);
    }

    private async Task<(HttpStatusCode, JsonElement)> RollBackAsync()
    {
        await OnPromptAsync("p4", HttpMethod.Post, "/versions", Version);
        await SendAsync(HttpMethod.Put, "/prompts/p4/labels/staging", """{"version":1}""");
        await SendAsync(HttpMethod.Put, "/prompts/p4/labels/staging", """{"version":2}""");
        return await SendAsync(HttpMethod.Post, "/prompts/p4/labels/staging/rollback", null);
    }

    private async Task<(HttpStatusCode, JsonElement)> OnReviewAsync(string act, string body) =>
        await PostAsync($"/reviews/{(await OpenReview.AddAsync(api)).Id}/{act}", body);
}
