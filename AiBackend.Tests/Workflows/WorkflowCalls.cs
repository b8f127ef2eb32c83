using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Workflows;

/// <summary>Calls about workflows of the API.</summary>
public abstract class WorkflowCalls(ApiServer api) : IClassFixture<ApiServer>
{
    /// <summary>Gives what it is asked.</summary>
    protected const string Echo =
        """{"input":{"type":"object","required":["a"]},"steps":[{"name":"out","type":"transform","value":"{{input.a}}"}]}""";

    protected ApiServer Api => api;

    protected static string Name() => $"w{Guid.CreateVersion7():N}";

    protected static Uri Address(string name) => new($"/api/v1/workflows/{name}", UriKind.Relative);

    protected static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    protected async Task<(HttpStatusCode Status, int Version)> PutAsync(string name, string body)
    {
        using var response = await Api.Http.PutAsync(Address(name), Json(body), TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return (response.StatusCode, JsonSerializer.Deserialize(text, WireJson.Default.Workflow)!.Version);
    }

    protected async Task<Guid> RunIdAsync(string name, string body, string? key)
    {
        using var response = await PostAsync($"{name}/runs", body, key);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonSerializer.Deserialize(text, WireJson.Default.Job)!.Id;
    }

    protected async Task<HttpResponseMessage> PostAsync(string path, string body, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Address(path)) { Content = Json(body) };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        return await Api.Http.SendAsync(request, TestRun.Cancel);
    }
}
