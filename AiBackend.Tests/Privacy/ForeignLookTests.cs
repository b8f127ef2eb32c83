using System.Net;
using System.Text.Json;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Privacy;

/// <summary>Who looks at what is another tenant's: operators with a reason, and everybody else in vain, and both are written down.</summary>
public sealed class ForeignLookTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Theory]
    [InlineData("/api/v1/jobs/{0}", "get_job")]
    [InlineData("/api/v1/jobs/{0}/trace", "get_job_trace")]
    [InlineData("/api/v1/jobs/{0}/input", "get_job_input")]
    [InlineData("/api/v1/jobs", "list_jobs")]
    [InlineData("/api/v1/jobs/{0}/tool-calls", "list_tool_calls")]
    public async Task A_69_an_operator_sees_a_tenants_content_with_a_reason_only_and_the_tenant_reads_who_and_why(
        string path,
        string action
    )
    {
        var (tenant, slug, job) = await TenantAsync();
        var address = string.Format(null, path, job);

        var without = await SendAsync(api.Http, HttpMethod.Get, $"{address}?tenant={slug}");
        var blank = await SendAsync(api.Http, HttpMethod.Get, $"{address}?tenant={slug}&reason=+");
        var before = await AuditAsync(tenant, action);
        var shown = await SendAsync(api.Http, HttpMethod.Get, $"{address}?tenant={slug}&reason=Ticket+7");
        var other = await SendAsync(tenant, HttpMethod.Get, $"{address}?tenant=default&reason=Ticket+7");
        var own = await SendAsync(tenant, HttpMethod.Get, address);

        Assert.All(new[] { without, blank }, refused => Assert.Equal("reason_needed", refused.Body.GetProperty("code").GetString()));
        Assert.Empty(before);
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.Forbidden), (shown.Status, own.Status, other.Status));
        // A job that calls no tools has no more to show of them than that.
        var content = action switch
        {
            "get_job_input" => "Hello",
            "list_tool_calls" => "data",
            _ => job.ToString(),
        };
        Assert.Contains(content, shown.Body.ToString(), StringComparison.Ordinal);
        var row = Assert.Single(await AuditAsync(tenant, action));
        Assert.Equal(
            (ApiKey.TryParse(api.Key)!.Id, "Ticket 7"),
            (row.GetProperty("actor").GetString(), row.GetProperty("after").GetProperty("reason").GetString())
        );
    }

    [Fact]
    public async Task A_69_a_key_of_the_operators_that_may_only_read_its_own_jobs_sees_nobody_elses()
    {
        var (_, slug, job) = await TenantAsync();
        var made = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/keys", """{"name":"reader","scopes":["jobs:read"]}""");
        using var reader = api.Client(made.Body.GetProperty("value").GetString());

        var refused = await SendAsync(reader, HttpMethod.Get, $"/api/v1/jobs/{job}?tenant={slug}&reason=Ticket+7");

        Assert.Equal((HttpStatusCode.Forbidden, "missing_scope"), (refused.Status, refused.Body.GetProperty("code").GetString()));
    }

    [Fact]
    public async Task A_1_who_asks_for_what_another_tenant_has_is_written_down_for_operators_alone_and_once()
    {
        var (stranger, slug, _) = await TenantAsync();
        var job = (await api.SubmitAsync()).Id;
        var key = (await SendAsync(api.Http, HttpMethod.Post, "/api/v1/keys", """{"name":"k","scopes":["jobs:read"]}""")).Body;
        var unknown = Guid.CreateVersion7();

        foreach (var id in new[] { job, job, unknown })
        {
            await SendAsync(stranger, HttpMethod.Get, $"/api/v1/jobs/{id}");
            await SendAsync(stranger, HttpMethod.Post, $"/api/v1/jobs/{id}/cancel");
        }

        await SendAsync(stranger, HttpMethod.Delete, $"/api/v1/keys/{key.GetProperty("id").GetString()}");
        await SendAsync(stranger, HttpMethod.Get, $"/v1/responses/resp_{(await api.SubmitAsync()).Id:N}");

        var rows = await Eventually.GetAsync(
            async _ =>
                (await AuditAsync(api.Http, "cross_tenant_attempt"))
                    .Where(row => row.GetProperty("kind").GetString() is "job" or "key")
                    .ToList(),
            found => found.Count >= 3,
            "three attempts are written down"
        );
        Assert.Equal(3, rows.Count);
        Assert.Contains(rows, row => row.GetProperty("object").GetString() == job.ToString());
        Assert.DoesNotContain(rows, row => row.GetProperty("object").GetString() == unknown.ToString());
        Assert.All(rows, row => Assert.Equal(ApiKeyStore.DefaultTenant, row.GetProperty("after").GetProperty("owner").GetGuid()));
        Assert.Empty(await AuditAsync(stranger, "cross_tenant_attempt"));
        Assert.NotEqual("default", slug);
    }

    [Theory]
    [InlineData("file", "GET", "/v1/files/file-{0}")]
    [InlineData("batch", "POST", "/v1/batches/batch_{0}/cancel")]
    [InlineData("delivery", "POST", "/api/v1/webhooks/{1}/deliveries/msg_{0}/resend")]
    public async Task A_1_what_is_neither_a_job_nor_a_key_is_written_down_too(string kind, string method, string path)
    {
        var (stranger, _, _) = await TenantAsync();
        var (owned, unknown) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await InsertAsync(kind, owned);
        var hook = (await SendAsync(stranger, HttpMethod.Post, "/api/v1/webhooks", """{"url":"https://hooks.example.com/x"}""")).Body;

        foreach (var id in new[] { unknown, owned })
        {
            var address = string.Format(null, path, id.ToString("N"), hook.GetProperty("id").GetString());
            Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(stranger, new HttpMethod(method), address)).Status);
        }

        var rows = await Eventually.GetAsync(
            async _ =>
                (await AuditAsync(api.Http, "cross_tenant_attempt")).Where(row => row.GetProperty("kind").GetString() == kind).ToList(),
            found => found.Count > 0,
            "the attempt is written down"
        );
        Assert.Equal(owned.ToString(), Assert.Single(rows).GetProperty("object").GetString());
    }

    /// <summary>One of the operators' tenant.</summary>
    private async Task InsertAsync(string kind, Guid id)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var insert = api.Db.Source.CreateCommand(
            kind switch
            {
                "file" =>
                    "INSERT INTO files (id, tenant_id, purpose, name, ready_at, expires_at) VALUES ($1, $2, 'batch', 'x', now(), 'infinity')",
                "batch" =>
                    "INSERT INTO batches (id, tenant_id, key_id, endpoint, input_file_id, status, window_ends_at, ended_at) VALUES ($1, $2, 'k', '/v1/responses', $1, 3, now(), now())",
                _ => "INSERT INTO webhook_deliveries (endpoint, id, tenant_id, body) VALUES ('x', $1, $2, '{}')",
            }
        );
#pragma warning restore CA2100
        insert.Parameters.AddWithValue(id);
        insert.Parameters.AddWithValue(ApiKeyStore.DefaultTenant);
        await insert.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    private async Task<(HttpClient Client, string Slug, Guid Job)> TenantAsync()
    {
        var client = api.Client(await api.AddTenantAsync());
        var slug = (await SendAsync(client, HttpMethod.Get, "/api/v1/sessions/current")).Body.GetProperty("tenant").GetString()!;
        using var submitted = await ApiServer.PostAsync(client, System.Text.Encoding.UTF8.GetBytes(ApiServer.Chat));
        return (client, slug, (await ApiServer.ReadJobAsync(submitted)).Id);
    }

    private static async Task<List<JsonElement>> AuditAsync(HttpClient client, string action) =>
        [.. (await SendAsync(client, HttpMethod.Get, $"/api/v1/audit?action={action}")).Body.GetProperty("data").EnumerateArray()];
}
