using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>Who gets in, and how little everybody else learns.</summary>
public sealed class AuthenticationTests(ApiServer api) : IClassFixture<ApiServer>
{
    public static TheoryData<string> BadHeaders =>
        [
            "",
            "Bearer",
            "Bearer ",
            "Bearer null",
            "Bearer ' OR '1'='1",
            "Basic dXNlcjpwYXNz",
            "Bearer aib_test_" + new string('a', 36),
            "Bearer " + ApiKey.Create(live: false).Text,
            "Bearer " + ApiKey.Create(live: true).Text,
            "Bearer " + new string('k', 20_000),
            "bearer  x",
        ];

    [Theory]
    [MemberData(nameof(BadHeaders))]
    [InlineData(null)]
    public async Task A_7_and_a_8_a_missing_or_bad_key_gets_one_answer_whatever_the_reason(string? header)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/providers");
        request.Headers.TryAddWithoutValidation("Authorization", header);

        using var response = await api.Client(null).SendAsync(request, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/unauthorized", problem.Type);
        Assert.StartsWith("The request carries no valid API key.", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_8_a_key_with_a_known_id_and_another_secret_opens_nothing()
    {
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        // As if this one had been made up around the id of another.
        await using var command = api.Db.Source.CreateCommand("UPDATE api_keys SET hash = sha256(hash) WHERE key_id = $1");
        command.Parameters.AddWithValue(ApiKey.TryParse(key)!.Id);
        Assert.Equal(1, await command.ExecuteNonQueryAsync(TestRun.Cancel));

        using var client = api.Client(key);
        using var answer = await client.GetAsync("/api/v1/providers", TestRun.Cancel);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Fact]
    public async Task A_7_two_headers_are_no_key_even_when_both_are_valid()
    {
        var answer = await SendRawAsync($"Authorization: Bearer {api.Key}\r\nAuthorization: Bearer {api.Key}\r\n");

        Assert.StartsWith("HTTP/1.1 401 ", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Bearer aib_\u0000test")]
    [InlineData("Bearer aïb")]
    public async Task A_7_bytes_that_no_header_may_have_are_refused(string value)
    {
        var answer = await SendRawAsync($"Authorization: {value}\r\n");

        Assert.Matches("^HTTP/1.1 40[01] ", answer);
    }

    [Fact]
    public async Task A_8_a_revoked_and_an_expired_key_get_the_same_answer_as_an_unknown_one()
    {
        var revoked = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        var expired = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        await ExecuteAsync("UPDATE api_keys SET revoked_at = now() WHERE key_id = $1", revoked);
        await ExecuteAsync("UPDATE api_keys SET expires_at = now() WHERE key_id = $1", expired);

        var details = new List<string>();
        foreach (var key in (string[])[revoked, expired, ApiKey.Create(live: false).Text])
        {
            using var response = await api.Client(key).GetAsync("/api/v1/providers", TestRun.Cancel);
            Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
            details.Add((await ApiServer.ReadProblemAsync(response)).Detail);
        }

        Assert.Single(details.Distinct(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_8_a_key_that_was_in_use_stops_working_within_five_seconds_of_its_revocation()
    {
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        var client = api.Client(key);
        (await client.GetAsync("/api/v1/providers", TestRun.Cancel)).EnsureSuccessStatusCode().Dispose();

        await ExecuteAsync("UPDATE api_keys SET revoked_at = now() WHERE key_id = $1", key);

        var watch = Stopwatch.StartNew();
        var letIn = TimeSpan.Zero;
        await Eventually.TrueAsync(
            async token =>
            {
                // By when it was sent: how long the answer takes, and when somebody asks again, is the machine's business.
                var sent = watch.Elapsed;
                using var response = await client.GetAsync("/api/v1/providers", token);
                letIn = response.IsSuccessStatusCode ? sent : letIn;
                return response.StatusCode == HttpStatusCode.Unauthorized;
            },
            "the revoked key is refused"
        );
        Assert.True(letIn < TimeSpan.FromSeconds(5), $"It was let in after {letIn}.");
    }

    [Theory]
    [InlineData("/api/v1/providers?access_token=", null)]
    [InlineData("/api/v1/jobs?api_key=", null)]
    [InlineData("/hubs/jobs/negotiate?access_token=", null)]
    [InlineData("/api/v1/providers", "key=")]
    public async Task A_9_a_key_in_the_address_or_a_cookie_is_refused_with_a_hint(string path, string? cookie)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, cookie is null ? path + api.Key : path);
        if (cookie is not null)
        {
            request.Headers.Add("Cookie", cookie + api.Key);
        }

        using var response = await api.Client(null).SendAsync(request, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Contains(cookie is null ? "in the address" : "in a cookie", problem.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain(api.Key, problem.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("jobs:read", "GET", "/api/v1/jobs", true)]
    [InlineData("jobs:read", "POST", "/api/v1/jobs", false)]
    [InlineData("jobs:read", "POST", "/api/v1/jobs/x/cancel", false)]
    [InlineData("jobs:read", "GET", "/api/v1/stats", false)]
    [InlineData("jobs:read", "GET", "/api/v1/workers", false)]
    [InlineData("jobs:read", "GET", "/api/v1/providers", true)]
    [InlineData("jobs:write", "GET", "/api/v1/jobs", false)]
    [InlineData("jobs:write", "GET", "/api/v1/jobs/x/events", false)]
    [InlineData("jobs:write", "GET", "/api/v1/jobs/x/trace", false)]
    [InlineData("jobs:write", "POST", "/hubs/jobs/negotiate", false)]
    [InlineData("jobs:read", "GET", "/api/v1/dead-letters", true)]
    [InlineData("jobs:read", "GET", "/api/v1/dead-letters/x", true)]
    [InlineData("jobs:read", "GET", "/api/v1/bulk", true)]
    [InlineData("jobs:read", "POST", "/api/v1/jobs/x/replay", false)]
    [InlineData("jobs:read", "POST", "/api/v1/jobs/x/discard", false)]
    [InlineData("jobs:read", "POST", "/api/v1/dead-letters/replay", false)]
    [InlineData("jobs:read", "POST", "/api/v1/dead-letters/discard", false)]
    [InlineData("jobs:read", "POST", "/api/v1/bulk/x/cancel", false)]
    [InlineData("jobs:read", "GET", "/api/v1/alerts", false)]
    [InlineData("jobs:write", "GET", "/api/v1/jobs/x/input", false)]
    [InlineData("jobs:write", "GET", "/api/v1/dead-letters", false)]
    [InlineData("jobs:write", "GET", "/api/v1/dead-letters/x", false)]
    [InlineData("jobs:write", "GET", "/api/v1/bulk", false)]
    [InlineData("jobs:write", "GET", "/api/v1/bulk/x", false)]
    [InlineData("operations:read", "GET", "/api/v1/alerts", true)]
    [InlineData("operations:read", "POST", "/api/v1/alerts/x/acknowledge", false)]
    [InlineData("operations:read", "GET", "/api/v1/stats", true)]
    [InlineData("operations:read", "GET", "/api/v1/workers", true)]
    [InlineData("operations:read", "GET", "/api/v1/queues", true)]
    [InlineData("operations:read", "POST", "/api/v1/queues/pause", false)]
    [InlineData("operations:write", "GET", "/api/v1/queues", false)]
    [InlineData("operations:read", "GET", "/api/v1/jobs", false)]
    [InlineData("JOBS:READ", "GET", "/api/v1/jobs", false)]
    public async Task A_10_a_key_may_do_what_its_scopes_say_and_nothing_else(string scope, string method, string path, bool allowed)
    {
        var client = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, scope));
        using var request = new HttpRequestMessage(new HttpMethod(method), path);

        using var response = await client.SendAsync(request, TestRun.Cancel);

        Assert.Equal(allowed, response.IsSuccessStatusCode);
        if (!allowed)
        {
            Assert.Equal("/problems/missing-scope", (await ApiServer.ReadProblemAsync(response)).Type);
        }
    }

    private async Task ExecuteAsync(string sql, string key)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue(ApiKey.TryParse(key)!.Id);
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    /// <summary>Sends what no well-behaved client library would.</summary>
    private async Task<string> SendRawAsync(string headers)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(api.Address.Host, api.Address.Port, TestRun.Cancel);
        await using var stream = client.GetStream();
        var request = $"GET /api/v1/providers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n";
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), TestRun.Cancel);
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync(TestRun.Cancel);
    }
}
