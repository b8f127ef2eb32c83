using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Webhooks;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Webhooks;

/// <summary>Webhooks over the API: made, changed, rotated, listed, tested, sent again; and who may not.</summary>
public sealed class WebhookApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Good = """{"url":"https://hooks.example.com/x","events":["job.failed"],"description":"d"}""";

    [Fact]
    public async Task A_webhook_is_made_with_a_secret_that_is_shown_once_and_changed_and_deleted()
    {
        var http = api.Client(await api.AddTenantAsync());
        var made = await ReadAsync(await SendAsync(http, HttpMethod.Post, "", Good), HttpStatusCode.Created);
        Assert.StartsWith("whsec_", made.Secret, StringComparison.Ordinal);
        Assert.NotNull(WebhookSecret.TryParse(made.Secret!));

        var read = await ReadAsync(await SendAsync(http, HttpMethod.Get, $"/{made.Id}"), HttpStatusCode.OK);
        Assert.Equal((null, "https://hooks.example.com/x", true, "d"), (read.Secret, read.Url, read.Enabled, read.Description));
        using var list = await SendAsync(http, HttpMethod.Get, "");
        Assert.DoesNotContain("whsec_", await list.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);

        var changed = await ReadAsync(
            await SendAsync(http, HttpMethod.Patch, $"/{made.Id}", """{"enabled":false,"events":[]}"""),
            HttpStatusCode.OK
        );
        Assert.Equal((false, 0, "https://hooks.example.com/x"), (changed.Enabled, changed.Events.Count, changed.Url));
        var rotated = await ReadAsync(await SendAsync(http, HttpMethod.Post, $"/{made.Id}/rotate"), HttpStatusCode.OK);
        Assert.NotEqual(made.Secret, rotated.Secret);
        Assert.NotNull(rotated.OldSecretUntil);

        using var gone = await SendAsync(http, HttpMethod.Delete, $"/{made.Id}");
        Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        using var again = await SendAsync(http, HttpMethod.Delete, $"/{made.Id}");
        Assert.Equal("/problems/webhook-not-found", (await ApiServer.ReadProblemAsync(again)).Type);
    }

    [Theory]
    [InlineData("http://hooks.example.com/x")]
    [InlineData("https://127.0.0.1/x")]
    [InlineData("https://2130706433/x")]
    [InlineData("https://localhost/x")]
    [InlineData("https://169.254.169.254/x")]
    [InlineData("https://me:pw@hooks.example.com/x")]
    [InlineData("https://hooks.example.com:6379/x")]
    [InlineData("")]
    public async Task A_30_A_31_an_address_that_may_not_be_written_is_refused_wherever_it_is(string url)
    {
        var text = JsonSerializer.Serialize(url);
        var made = await ReadAsync(await SendAsync(api.Http, HttpMethod.Post, "", Good), HttpStatusCode.Created);

        foreach (
            var response in new[]
            {
                await SendAsync(api.Http, HttpMethod.Post, "", $$"""{"url":{{text}}}"""),
                await SendAsync(api.Http, HttpMethod.Patch, $"/{made.Id}", $$"""{"url":{{text}}}"""),
                await api.PostAsync(ApiServer.Chat[..^1] + $$$""","webhook":{"url":{{{text}}}}}"""),
            }
        )
        {
            var problem = await ApiServer.ReadProblemAsync(response);
            Assert.Equal("/problems/invalid-value", problem.Type);
            Assert.Contains(problem.Errors!.Keys, field => field is "url" or "webhook.url");
            response.Dispose();
        }

        using var _ = await SendAsync(api.Http, HttpMethod.Delete, $"/{made.Id}");
    }

    [Theory]
    [InlineData("""{"url":"https://hooks.example.com/","events":["job.exploded"]}""")]
    [InlineData("""{"url":"https://hooks.example.com/","for_jobs":true}""")]
    [InlineData("""{"url":"https://hooks.example.com/","secret":"whsec_x"}""")]
    [InlineData("""{"description":"nowhere"}""")]
    [InlineData("[]")]
    public async Task What_makes_no_webhook_is_refused(string body)
    {
        using var response = await SendAsync(api.Http, HttpMethod.Post, "", body);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task A_job_may_name_an_address_when_there_is_a_secret_for_it()
    {
        var http = api.Client(await api.AddTenantAsync());
        var body = Encoding.UTF8.GetBytes(ApiServer.Chat[..^1] + ""","webhook":{"url":"https://hooks.example.com/x"}}""");
        using var refused = await ApiServer.PostAsync(http, body);
        Assert.Equal("/problems/no-webhook-secret", (await ApiServer.ReadProblemAsync(refused)).Type);

        var made = await ReadAsync(await SendAsync(http, HttpMethod.Post, "", """{"for_jobs":true}"""), HttpStatusCode.Created);
        Assert.Null(made.Url);
        using var accepted = await ApiServer.PostAsync(http, body);
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        using var second = await SendAsync(http, HttpMethod.Post, "", """{"for_jobs":true}""");
        Assert.Equal("/problems/too-many-webhooks", (await ApiServer.ReadProblemAsync(second)).Type);
    }

    [Fact]
    public async Task A_message_is_listed_and_sent_again_with_the_same_id()
    {
        var http = api.Client(await api.AddTenantAsync());
        var made = await ReadAsync(await SendAsync(http, HttpMethod.Post, "", Good), HttpStatusCode.Created);
        for (var i = 0; i < 3; i++)
        {
            using var test = await SendAsync(http, HttpMethod.Post, $"/{made.Id}/test");
            Assert.Equal(HttpStatusCode.Accepted, test.StatusCode);
        }

        var first = await PageAsync(http, $"/{made.Id}/deliveries?limit=2");
        var rest = await PageAsync(http, $"/{made.Id}/deliveries?limit=2&cursor={first.NextCursor}");
        Assert.Equal((2, 1, null), (first.Data.Count, rest.Data.Count, rest.NextCursor));
        Assert.Equal(3, first.Data.Concat(rest.Data).Select(delivery => delivery.Id).Distinct(StringComparer.Ordinal).Count());
        var message = first.Data[0];
        Assert.Equal(("webhook.test", "waiting", 0), (message.Type, message.State, message.Tries));

        var id = Guid.ParseExact(message.Id[4..], "N");
        await using (
            var give = api.Db.Source.CreateCommand("UPDATE webhook_deliveries SET state = 2, tries = 10, ended_at = now() WHERE id = $1")
        )
        {
            give.Parameters.Add(new() { Value = id });
            await give.ExecuteNonQueryAsync(TestRun.Cancel);
        }

        Assert.Equal(message.Id, Assert.Single((await PageAsync(http, $"/{made.Id}/deliveries?state=given_up")).Data).Id);
        using var resent = await SendAsync(http, HttpMethod.Post, $"/{made.Id}/deliveries/{message.Id}/resend");
        Assert.Equal(HttpStatusCode.Accepted, resent.StatusCode);
        var taken = await new DeliveryStore(api.Db.Source).TakeAsync(made.Id.ToString("N"), 10, TestRun.Cancel);
        Assert.Contains(taken, delivery => delivery.Id == id && (delivery.Try, delivery.Earlier) == (11, 10));
    }

    [Fact]
    public async Task A_1_webhooks_of_another_tenant_are_as_unknown_as_none()
    {
        var mine = await ReadAsync(await SendAsync(api.Http, HttpMethod.Post, "", Good), HttpStatusCode.Created);
        using var test = await SendAsync(api.Http, HttpMethod.Post, $"/{mine.Id}/test");
        var message = JsonSerializer.Deserialize(await test.Content.ReadAsStringAsync(TestRun.Cancel), WireJson.Default.WebhookDelivery)!;
        var foreign = api.Client(await api.AddTenantAsync());

        foreach (var id in new[] { mine.Id.ToString(), Guid.CreateVersion7().ToString(), "x" })
        {
            foreach (
                var response in new[]
                {
                    await SendAsync(foreign, HttpMethod.Get, $"/{id}"),
                    await SendAsync(foreign, HttpMethod.Patch, $"/{id}", """{"enabled":false}"""),
                    await SendAsync(foreign, HttpMethod.Post, $"/{id}/rotate"),
                    await SendAsync(foreign, HttpMethod.Post, $"/{id}/test"),
                    await SendAsync(foreign, HttpMethod.Get, $"/{id}/deliveries"),
                    await SendAsync(foreign, HttpMethod.Post, $"/{id}/deliveries/{message.Id}/resend"),
                    await SendAsync(foreign, HttpMethod.Delete, $"/{id}"),
                }
            )
            {
                Assert.Equal("/problems/webhook-not-found", (await ApiServer.ReadProblemAsync(response)).Type);
                response.Dispose();
            }
        }

        Assert.True((await ReadAsync(await SendAsync(api.Http, HttpMethod.Get, $"/{mine.Id}"), HttpStatusCode.OK)).Enabled);
        using var _ = await SendAsync(api.Http, HttpMethod.Delete, $"/{mine.Id}");
    }

    [Theory]
    [InlineData("webhooks:read", "GET", true)]
    [InlineData("webhooks:read", "POST", false)]
    [InlineData("webhooks:write", "POST", true)]
    [InlineData("jobs:write", "GET", false)]
    [InlineData("operations:write", "POST", false)]
    public async Task A_10_each_scope_opens_its_own(string scope, string method, bool allowed)
    {
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, scope);

        using var response = await SendAsync(api.Client(key), new HttpMethod(method), "", method == "POST" ? "[]" : null);

        Assert.Equal(allowed, response.StatusCode != HttpStatusCode.Forbidden);
    }

    private static async Task<HttpResponseMessage> SendAsync(HttpClient http, HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, "/api/v1/webhooks" + path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        return await http.SendAsync(request, TestRun.Cancel);
    }

    private static async Task<Webhook> ReadAsync(HttpResponseMessage response, HttpStatusCode status)
    {
        using var _ = response;
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.StatusCode == status, text);
        return JsonSerializer.Deserialize(text, WireJson.Default.Webhook)!;
    }

    private static async Task<WebhookDeliveryPage> PageAsync(HttpClient http, string path)
    {
        using var response = await SendAsync(http, HttpMethod.Get, path);
        return JsonSerializer.Deserialize(await response.Content.ReadAsStringAsync(TestRun.Cancel), WireJson.Default.WebhookDeliveryPage)!;
    }
}
