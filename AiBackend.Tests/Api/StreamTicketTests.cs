using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>A server that believes a proxy on this machine whom it asks for.</summary>
public sealed class BelievingApi(PostgresServer postgres) : ApiServer(postgres)
{
    protected override IEnumerable<(string, string)> Settings => [("Proxies:0", "127.0.0.1/32")];
}

/// <summary>What a browser reads a job's events with: one job, once, within a minute, from one place.</summary>
public sealed class StreamTicketTests(BelievingApi api) : IClassFixture<BelievingApi>
{
    [Fact]
    public async Task A_3_D_6_a_ticket_opens_the_events_of_its_job_once_and_of_no_other()
    {
        var (job, other) = (await api.SubmitAsync(), await api.SubmitAsync());
        var ticket = await TicketAsync(job.Id);

        await RefusedAsync(await ReadAsync(other.Id, ticket));
        using var stream = await ReadAsync(job.Id, ticket);
        await RefusedAsync(await ReadAsync(job.Id, ticket));

        Assert.Equal(HttpStatusCode.OK, stream.StatusCode);
        Assert.Equal("text/event-stream", stream.Content.Headers.ContentType!.ToString());
        // Pages of any origin may read what it opens: it is all that let the reader in.
        Assert.Equal(["*"], stream.Headers.GetValues("Access-Control-Allow-Origin"));
        using var reader = new StreamReader(await stream.Content.ReadAsStreamAsync(TestRun.Cancel));
        await Eventually.TrueAsync(
            async token =>
                await reader.ReadLineAsync(token) is { } line && line.Contains("\"status\":\"queued\"", StringComparison.Ordinal),
            "its first event comes"
        );
    }

    [Fact]
    public async Task A_3_of_32_readers_with_one_ticket_one_is_let_in()
    {
        var job = await api.SubmitAsync();
        var ticket = await TicketAsync(job.Id);

        var answers = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => ReadAsync(job.Id, ticket)));

        Assert.Single(answers, answer => answer.StatusCode == HttpStatusCode.OK);
        Assert.Equal(31, answers.Count(answer => answer.StatusCode == HttpStatusCode.Unauthorized));
        Array.ForEach(answers, answer => answer.Dispose());
    }

    [Fact]
    public async Task A_3_a_ticket_is_over_after_sixty_seconds()
    {
        var job = await api.SubmitAsync();
        var (old, young) = (await TicketAsync(job.Id), await TicketAsync(job.Id));
        await using var life = api.Db.Source.CreateCommand("SELECT max(expires_at) - now() FROM stream_tickets WHERE job_id = $1");
        life.Parameters.AddWithValue(job.Id);
        Assert.InRange((TimeSpan)(await life.ExecuteScalarAsync(TestRun.Cancel))!, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
        await using var pass = api.Db.Source.CreateCommand(
            "UPDATE stream_tickets SET expires_at = expires_at - interval '60 seconds' WHERE job_id = $1"
        );
        pass.Parameters.AddWithValue(job.Id);
        await pass.ExecuteNonQueryAsync(TestRun.Cancel);

        await RefusedAsync(await ReadAsync(job.Id, old));
        await RefusedAsync(await ReadAsync(job.Id, young));

        // And the next one clears them away.
        await TicketAsync(job.Id);
        await using var left = api.Db.Source.CreateCommand("SELECT count(*) FROM stream_tickets WHERE job_id = $1");
        left.Parameters.AddWithValue(job.Id);
        Assert.Equal(1L, await left.ExecuteScalarAsync(TestRun.Cancel));
    }

    [Theory]
    [InlineData("203.0.113.7", "203.0.113.7", HttpStatusCode.OK)]
    [InlineData("203.0.113.7", "203.0.113.8", HttpStatusCode.Unauthorized)]
    [InlineData("203.0.113.7", null, HttpStatusCode.Unauthorized)]
    [InlineData(null, "203.0.113.7", HttpStatusCode.Unauthorized)]
    [InlineData("2001:db8:1:2::7", "2001:db8:1:2:ffff::1", HttpStatusCode.OK)]
    [InlineData("2001:db8:1:2::7", "2001:db8:1:3::7", HttpStatusCode.Unauthorized)]
    public async Task A_3_a_ticket_counts_from_the_address_that_it_is_for(string? wanted, string? from, HttpStatusCode expected)
    {
        var job = await api.SubmitAsync();
        var ticket = await TicketAsync(job.Id, wanted);

        using var answer = await ReadAsync(job.Id, ticket, from);

        Assert.Equal(expected, answer.StatusCode);
        // Whoever came from elsewhere did not use it up.
        using var right = await ReadAsync(job.Id, ticket, wanted);
        Assert.Equal(expected == HttpStatusCode.OK ? HttpStatusCode.Unauthorized : HttpStatusCode.OK, right.StatusCode);
    }

    [Fact]
    public async Task A_3_a_ticket_is_worth_what_its_key_is_and_a_stream_ends_with_it()
    {
        var key = await api.AddKeyAsync(Core.Tenancy.ApiKeyStore.DefaultTenant, "jobs:read");
        using var client = api.Client(key);
        var job = await api.SubmitAsync();
        var (open, late) = (await TicketAsync(job.Id, by: client), await TicketAsync(job.Id, by: client));
        using var stream = await ReadAsync(job.Id, open);
        Assert.Equal(HttpStatusCode.OK, stream.StatusCode);

        await api.RevokeAsync(key);

        await RefusedAsync(await ReadAsync(job.Id, late));
        await using var body = await stream.Content.ReadAsStreamAsync(TestRun.Cancel);
        await Eventually.TrueAsync(
            async token => await body.ReadAsync(new byte[4096], token) == 0,
            "the stream ends",
            TimeSpan.FromSeconds(15)
        );
    }

    [Fact]
    public async Task A_3_a_ticket_of_a_key_that_may_read_no_more_opens_nothing()
    {
        var key = await api.AddKeyAsync(Core.Tenancy.ApiKeyStore.DefaultTenant, "jobs:read");
        using var client = api.Client(key);
        var job = await api.SubmitAsync();
        var ticket = await TicketAsync(job.Id, by: client);
        await using var bind = api.Db.Source.CreateCommand("UPDATE api_keys SET scopes = '{jobs:write}' WHERE key_id = $1");
        bind.Parameters.AddWithValue(Core.Tenancy.ApiKey.TryParse(key)!.Id);
        await bind.ExecuteNonQueryAsync(TestRun.Cancel);

        using var answer = await ReadAsync(job.Id, ticket);

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
    }

    [Fact]
    public async Task A_3_a_ticket_opens_nothing_else_and_nobody_gets_one_for_a_job_of_others()
    {
        var job = await api.SubmitAsync();
        using var stranger = api.Client(await api.AddTenantAsync());
        using var writer = api.Client(await api.AddKeyAsync(Core.Tenancy.ApiKeyStore.DefaultTenant, "jobs:write"));
        var ticket = await TicketAsync(job.Id);
        using var anonymous = api.Client(null);

        foreach (var path in (string[])[$"/api/v1/jobs/{job.Id}", $"/api/v1/jobs/{job.Id}/trace", "/api/v1/jobs", "/hubs/jobs"])
        {
            using var answer = await anonymous.GetAsync($"{path}?ticket={ticket}", TestRun.Cancel);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }

        using var asKey = api.Client(ticket);
        await RefusedAsync(await asKey.GetAsync($"/api/v1/jobs/{job.Id}/events", TestRun.Cancel));
        await RefusedAsync(await ReadAsync(job.Id, $"{ticket}&ticket={ticket}"));
        await RefusedAsync(await ReadAsync(job.Id, "aibr_" + new string('0', 36)));
        using var foreign = await PostAsync(stranger, job.Id, null);
        using var unable = await PostAsync(writer, job.Id, null);
        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.Forbidden), (foreign.StatusCode, unable.StatusCode));
    }

    [Theory]
    [InlineData("""{"address":"nowhere"}""", "address is \"nowhere\"")]
    [InlineData("""{"address":"203.0.113.0/24"}""", "address")]
    [InlineData("""{"seconds":600}""", "seconds")]
    [InlineData("""[]""", "")]
    public async Task A_15_a_ticket_that_cannot_be_is_refused_with_the_remedy(string body, string detail)
    {
        var job = await api.SubmitAsync();

        using var answer = await PostAsync(api.Http, job.Id, body);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(detail, (await ApiServer.ReadProblemAsync(answer)).Detail, StringComparison.Ordinal);
    }

    private async Task<string> TicketAsync(Guid job, string? address = null, HttpClient? by = null)
    {
        using var response = await PostAsync(by ?? api.Http, job, address is null ? null : $$"""{"address":"{{address}}"}""");
        var made = await response.Content.ReadFromJsonAsync<JsonElement>(TestRun.Cancel);
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        var ticket = made.GetProperty("ticket").GetString()!;
        Assert.Equal($"/api/v1/jobs/{job}/events?ticket={ticket}", made.GetProperty("url").GetString());
        Assert.True(response.Headers.CacheControl!.NoStore);
        return ticket;
    }

    private static async Task<HttpResponseMessage> PostAsync(HttpClient client, Guid job, string? body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/jobs/{job}/stream-tickets");
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        return await client.SendAsync(request, TestRun.Cancel);
    }

    /// <summary>As a browser does, behind the proxy that these servers believe.</summary>
    private async Task<HttpResponseMessage> ReadAsync(Guid job, string ticket, string? from = null)
    {
        var client = api.Client(null);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{job}/events?ticket={ticket}");
        if (from is not null)
        {
            request.Headers.Add("X-Forwarded-For", from);
        }

        return await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
    }

    private static async Task RefusedAsync(HttpResponseMessage response)
    {
        using (response)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
            Assert.Equal("/problems/unauthorized", (await ApiServer.ReadProblemAsync(response)).Type);
        }
    }
}
