using System.Net;
using System.Text;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

/// <summary>What one tenant wrote, in every place that a tenant can fill, and everything that another can read without knowing an id.</summary>
public sealed class ForeignTextTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Canary = "canary-6b1f";

    private const string Job = $$$"""
        {"type":"chat","feature":"{{{Canary}}}","user":"{{{Canary}}}","metadata":{"k":"{{{Canary}}}"},
         "input":{"messages":[{"role":"user","content":"{{{Canary}}}"}]}}
        """;

    [Fact]
    public async Task A_5_no_list_count_or_search_shows_a_tenant_what_another_one_wrote()
    {
        using var owner = api.Client(await api.AddTenantAsync());
        using var stranger = api.Client(await api.AddTenantAsync());
        var made = new List<HttpStatusCode>
        {
            (await ApiServer.PostAsync(owner, Encoding.UTF8.GetBytes(Job))).StatusCode,
            (await SendAsync(owner, HttpMethod.Post, "/api/v1/keys", $$"""{"name":"{{Canary}}","scopes":["jobs:read"]}""")).Status,
            (
                await SendAsync(
                    owner,
                    HttpMethod.Post,
                    "/api/v1/budgets",
                    $$"""{"scope":"feature","subject":"{{Canary}}","window":"day","limit_usd":1}"""
                )
            ).Status,
            (await SendAsync(owner, HttpMethod.Post, "/api/v1/webhooks", $$"""{"url":"https://{{Canary}}.example/hook"}""")).Status,
            (
                await SendAsync(
                    owner,
                    HttpMethod.Post,
                    "/api/v1/webhooks/inbound",
                    $$$"""{"name":"{{{Canary}}}","template":{"prompt":"{{data.text}}"}}"""
                )
            ).Status,
        };
        Assert.All(made, status => Assert.InRange((int)status, 200, 299));
        var read = 0;

        foreach (var path in Lists().Concat([$"/api/v1/jobs?feature={Canary}", $"/api/v1/usage?feature={Canary}"]))
        {
            using var answer = await stranger.GetAsync(path, TestRun.Cancel);
            var text = await answer.Content.ReadAsStringAsync(TestRun.Cancel);
            Assert.False(text.Contains(Canary, StringComparison.Ordinal), $"{path} shows it: {text}");
            read += answer.IsSuccessStatusCode ? 1 : 0;
        }

        Assert.True(read > 10, $"{read} lists were read.");
        var own = await owner.GetStringAsync("/api/v1/jobs", TestRun.Cancel);
        Assert.Contains(Canary, own, StringComparison.Ordinal);
        var jobs = await SendAsync(stranger, HttpMethod.Get, "/api/v1/jobs");
        Assert.Equal(0, jobs.Body.GetProperty("data").GetArrayLength());
    }

    /// <summary>Every address that is read without an id.</summary>
    private IEnumerable<string> Lists() =>
        api.Get<EndpointDataSource>()
            .Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods is ["GET"])
            .Select(endpoint => endpoint.RoutePattern.RawText!)
            .Where(path => !path.Contains('{', StringComparison.Ordinal));
}
