using System.Net;
using System.Text.Json;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Privacy;

/// <summary>An export takes no more of a server than it may, ends with its right to go on, and is whole or says that it is not.</summary>
public sealed class TenantExportTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task D_21_a_tenant_has_one_export_at_a_time_and_it_ends_with_its_key()
    {
        var (tenant, id) = await TenantAsync();
        var (key, other) = (await api.AddKeyAsync(id, "*"), await api.AddKeyAsync(id, "*"));
        using var first = api.Client(key);
        using var second = api.Client(other);
        // More than any buffer on the way holds, so that it waits for its reader.
        await FillAsync(id, 12);

        using var begun = await first.GetAsync(Path(id), HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
        var refused = await SendAsync(second, HttpMethod.Get, Path(id));
        var rows = await CountAsync("SELECT count(*) FROM audit_log WHERE tenant_id = $1 AND action = 'export_tenant'", id);
        await SendAsync(tenant, HttpMethod.Delete, $"/api/v1/keys/{ApiKey.TryParse(key)!.Id}");
        await Eventually.TrueAsync(
            async token => (await second.GetAsync(Path(id), HttpCompletionOption.ResponseHeadersRead, token)).IsSuccessStatusCode,
            "there is room for another, since the first has ended",
            TimeSpan.FromSeconds(60)
        );
        var cut = await Record.ExceptionAsync(async () =>
            Assert.DoesNotContain("\"end\":true", await begun.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal)
        );

        Assert.Equal(HttpStatusCode.OK, begun.StatusCode);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, 1), (refused.Status, rows));
        Assert.IsType<HttpRequestException>(cut);
    }

    [Fact]
    public async Task D_21_an_export_of_a_tenant_that_is_deleted_meanwhile_has_no_end()
    {
        var (tenant, id) = await TenantAsync();
        await FillAsync(id, 12);

        using var begun = await api.Http.GetAsync(Path(id) + "?reason=Ticket+1", HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
        await CountAsync("WITH t AS (UPDATE tenants SET deletion_at = now() WHERE id = $1 RETURNING 1) SELECT count(*) FROM t", id);
        var cut = await Record.ExceptionAsync(() => begun.Content.ReadAsStringAsync(TestRun.Cancel));

        Assert.Equal(HttpStatusCode.OK, begun.StatusCode);
        Assert.IsType<HttpRequestException>(cut);
        Assert.NotNull(tenant);
    }

    [Fact]
    public async Task A_10_an_export_takes_the_scope_of_its_content_too()
    {
        var (_, id) = await TenantAsync();
        using var manager = api.Client(await api.AddKeyAsync(id, "tenants:write"));
        using var both = api.Client(await api.AddKeyAsync(id, "tenants:write", "jobs:read"));

        var refused = await SendAsync(manager, HttpMethod.Get, Path(id));
        using var shown = await both.GetAsync(Path(id), TestRun.Cancel);

        Assert.Equal((HttpStatusCode.Forbidden, "missing_scope"), (refused.Status, refused.Body.GetProperty("code").GetString()));
        Assert.Equal(HttpStatusCode.OK, shown.StatusCode);
        Assert.Equal(1, await CountAsync("SELECT count(*) FROM audit_log WHERE tenant_id = $1 AND action = 'export_tenant'", id));
    }

    [Fact]
    public async Task D_21_a_page_is_bounded_by_what_it_weighs_and_nothing_is_left_out()
    {
        const int Messages = 150;
        var (tenant, id) = await TenantAsync();
        await CountAsync(
            $"""
            WITH m AS (
                INSERT INTO webhook_deliveries (endpoint, id, tenant_id, body) SELECT 'x', gen_random_uuid(), $1, repeat('x', 100000) FROM generate_series(1, {Messages})
                RETURNING 1
            ) SELECT count(*) FROM m
            """,
            id
        );

        var page = await CountAsync("SELECT count(*) FROM tenant_slice('webhook_deliveries', $1, NULL, NULL, 100, 1000000)", id);
        var lines = (await tenant.GetStringAsync(Path(id), TestRun.Cancel)).TrimEnd('\n').Split('\n');

        Assert.Equal(10, page);
        Assert.Equal(Messages, lines.Count(line => line.StartsWith("{\"table\":\"webhook_deliveries\"", StringComparison.Ordinal)));
        Assert.True(JsonElement.Parse(lines[^1]).GetProperty("end").GetBoolean());
    }

    private static string Path(Guid tenant) => $"/api/v1/tenants/{tenant}/export";

    private async Task<(HttpClient Client, Guid Id)> TenantAsync()
    {
        var key = await api.AddTenantAsync();
        await using var command = api.Db.Source.CreateCommand("SELECT tenant_id FROM api_keys WHERE key_id = $1");
        command.Parameters.AddWithValue(ApiKey.TryParse(key)!.Id);
        return (api.Client(key), (Guid)(await command.ExecuteScalarAsync(TestRun.Cancel))!);
    }

    /// <summary>So many answers of 4 MB, which are 8 in an export.</summary>
    private Task<long> FillAsync(Guid tenant, int answers) =>
        CountAsync(
            $"""
            WITH k AS (
                INSERT INTO kept_answers (tenant_id, key, fingerprint, holder, body)
                SELECT $1, n::text, '', gen_random_uuid(), convert_to(repeat('x', 4000000), 'UTF8') FROM generate_series(1, {answers}) n RETURNING 1
            ) SELECT count(*) FROM k
            """,
            tenant
        );

    private async Task<long> CountAsync(string sql, Guid id)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue(id);
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
