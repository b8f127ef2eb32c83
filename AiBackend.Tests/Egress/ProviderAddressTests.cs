using System.Net;
using System.Text;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Egress;

/// <summary>Addresses of providers come from the operator's configuration and from nowhere else.</summary>
public sealed class ProviderAddressTests(ApiServer api) : IClassFixture<ApiServer>
{
    private static readonly string[] Members = ["api_base", "base_url", "endpoint", "proxy", "headers", "organization", "api_key"];

    private static readonly string[] Bodies =
    [
        """{"type":"chat",X,"input":{"messages":[{"role":"user","content":"Hello"}]}}""",
        """{"type":"chat","input":{X,"messages":[{"role":"user","content":"Hello"}]}}""",
        """{"type":"chat","input":{"messages":[{"role":"user","content":"Hello",X}]}}""",
        """{"type":"chat","input":{"messages":[{"role":"user","content":"Hello"}]},"metadata":{"a":{X}}}""",
    ];

    public static TheoryData<string> Names => [.. Members];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_37_a_job_cannot_say_where_to_ask_at_any_depth(string member)
    {
        foreach (var body in Bodies)
        {
            using var response = await api.PostAsync(body.Replace("X", $"\"{member}\":\"https://evil.example\"", StringComparison.Ordinal));

            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        }
    }

    [Theory]
    [InlineData("deployments/simulator/sim", """{"base_url":"https://evil.example"}""")]
    [InlineData("deployments/simulator/sim", """{"limits":{"base_url":"https://evil.example"}}""")]
    [InlineData("routes/r", """{"targets":[{"provider":"simulator","model":"sim","base_url":"https://evil.example"}]}""")]
    [InlineData("credentials", """{"provider":"simulator","value":"sk-12345678","base_url":"https://evil.example"}""")]
    [InlineData("deployments/evil/sim", "{}")]
    public async Task A_37_not_even_an_operator_sets_an_address_over_the_api(string path, string body)
    {
        using var response = await PutAsync(api.Http, path, body);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Theory]
    [InlineData("deployments/simulator/sim", "{}")]
    [InlineData("routes/r", """{"targets":[{"provider":"simulator","model":"sim"}]}""")]
    [InlineData("credentials", """{"provider":"simulator","value":"sk-12345678"}""")]
    public async Task A_10_what_decides_where_calls_go_takes_the_scope_of_operators(string path, string body)
    {
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read", "jobs:write", "operations:read");

        using var response = await PutAsync(api.Client(key), path, body);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    private static async Task<HttpResponseMessage> PutAsync(HttpClient http, string path, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        return await http.PutAsync("/api/v1/" + path, content, TestRun.Cancel);
    }
}
