using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Webhooks;

/// <summary>What a source may be, whose it is, and what its template makes of a message.</summary>
public sealed class InboundSourceTests(ApiServer api) : InboundWebhooks(api), IClassFixture<ApiServer>
{
    private readonly ApiServer _api = api;

    [Theory]
    [InlineData("[1]", "/problems/invalid-json")]
    [InlineData("not json", "/problems/invalid-json")]
    [InlineData("""{"a":1,"a":2}""", "/problems/invalid-json")]
    [InlineData("", "/problems/invalid-json")]
    [InlineData("""{"data":{"id":17,"text":"\ud800"}}""", "/problems/invalid-json")]
    [InlineData("""{"data":{"\ud800":17}}""", "/problems/invalid-json")]
    public async Task A_41_a_signed_body_that_is_no_object_becomes_no_job(string body, string expected)
    {
        var source = await AddAsync();

        using var response = await DeliverAsync(source.Path, Sign(source.Secret!, "m", body), body);

        Assert.Equal(expected, (await ApiServer.ReadProblemAsync(response)).Type);
        Assert.Equal(0, await CountAsync(source.Id));
    }

    [Fact]
    public async Task A_59_what_a_message_says_is_never_read_as_a_place()
    {
        var source = await AddAsync();
        const string Tricky =
            """{"data": {"id": "{{data.text}}", "text": "{{data.id}} {{ secret }} ${env:HOME} {0} {{{{data.id}}}}"}, "secret": "canary"}""";

        using var response = await DeliverAsync(source.Path, Sign(source.Secret!, "m", Tricky), Tricky);

        var receipt = JsonSerializer.Deserialize(
            await response.Content.ReadAsStringAsync(TestRun.Cancel),
            WireJson.Default.WebhookReceipt
        )!;
        Assert.Equal(
            "user: Ticket {{data.text}}: {{data.id}} {{ secret }} ${env:HOME} {0} {{{{data.id}}}}",
            (await MessagesAsync(receipt.JobId))[^1]
        );
    }

    [Theory]
    [InlineData("""{"template":{"prompt":"x"}}""")]
    [InlineData("""{"name":"n"}""")]
    [InlineData("""{"name":"n","template":{}}""")]
    [InlineData("""{"name":"n","template":{"prompt":"{{open"}}""")]
    [InlineData("""{"name":"n","template":{"prompt":"{{a b}}"}}""")]
    [InlineData("""{"name":"n","template":{"prompt":"x","model":"nobody"}}""")]
    [InlineData("""{"name":"n","template":{"prompt":"x","priority":"now"}}""")]
    [InlineData("""{"name":"n","template":{"prompt":"x","max_output_tokens":0}}""")]
    [InlineData("""{"name":"n","template":{"prompt":"x","metadata":{"a":"{{"}}}""")]
    [InlineData("""{"name":"n","template":{"prompt":"x"},"secret":"whsec_short"}""")]
    [InlineData("""{"name":"n","template":{"prompt":"x","base_url":"https://evil.example"}}""")]
    public async Task What_makes_no_source_is_refused(string body)
    {
        using var response = await SendAsync(await HttpAsync(), HttpMethod.Post, "", body);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task A_1_A_10_sources_are_their_tenants_and_take_the_scopes_of_webhooks_and_jobs()
    {
        var source = await AddAsync();
        using var read = await SendAsync(await HttpAsync(), HttpMethod.Get, "/" + source.Id);
        Assert.DoesNotContain("whsec_", await read.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);
        var foreign = _api.Client(await _api.AddTenantAsync());
        foreach (
            var response in new[]
            {
                await SendAsync(foreign, HttpMethod.Get, "/" + source.Id),
                await SendAsync(foreign, HttpMethod.Patch, "/" + source.Id, """{"enabled":false}"""),
                await SendAsync(foreign, HttpMethod.Post, $"/{source.Id}/rotate"),
                await SendAsync(foreign, HttpMethod.Delete, "/" + source.Id),
            }
        )
        {
            Assert.Equal("/problems/webhook-not-found", (await ApiServer.ReadProblemAsync(response)).Type);
            response.Dispose();
        }

        var webhooksOnly = _api.Client(await _api.AddKeyAsync(Core.Tenancy.ApiKeyStore.DefaultTenant, "webhooks:write"));
        using var refused = await SendAsync(webhooksOnly, HttpMethod.Post, "", $$"""{"name":"n","template":{{Template}}}""");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        using var rotated = await SendAsync(webhooksOnly, HttpMethod.Post, $"/{source.Id}/rotate");
        Assert.Equal(HttpStatusCode.Forbidden, rotated.StatusCode);
        Assert.Equal(HttpStatusCode.Accepted, (await DeliverAsync(source.Path, Sign(source.Secret!, "m", Body), Body)).StatusCode);
    }
}
