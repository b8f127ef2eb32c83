using System.Net;
using System.Text.Json;
using AiBackend.Core.Audit;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Audit;

/// <summary>The audit log only grows, and shows what was done to it all the same.</summary>
public sealed class AuditLogTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Theory]
    [InlineData("UPDATE audit_log SET actor = 'nobody' WHERE seq = 1")]
    [InlineData("DELETE FROM audit_log")]
    [InlineData("TRUNCATE audit_log")]
    [InlineData("UPDATE audit_anchors SET seq = 0")]
    [InlineData("DELETE FROM audit_anchors")]
    public async Task A_74_nobody_changes_or_removes_a_row(string sql)
    {
        await MakeKeyAsync();
        await AnchorAsync();

        var refusal = await Assert.ThrowsAsync<PostgresException>(() => ExecuteAsync(sql));

        Assert.Equal("AI004", refusal.SqlState);
    }

    [Theory]
    [InlineData("UPDATE audit_log SET actor = 'nobody' WHERE seq = {0}")]
    [InlineData("UPDATE audit_log SET after = after || '{{\"name\":\"x\"}}' WHERE seq = {0}")]
    [InlineData("UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = {0}")]
    [InlineData("DELETE FROM audit_log WHERE seq = {0}")]
    [InlineData("DELETE FROM audit_log WHERE seq >= {0}")]
    public async Task A_76_the_check_names_the_first_row_that_a_superuser_edited_or_removed(string edit)
    {
        await MakeKeyAsync();
        var (_, before) = await VerifyAsync();
        var seq = before.GetProperty("seq").GetInt64();
        await MakeKeyAsync();
        await MakeKeyAsync();
        await ExecuteAsync("CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM audit_log LIMIT 0; INSERT INTO kept SELECT * FROM audit_log");
        var victim = seq + 1;

        await ExecuteAsync(
            "SET session_replication_role = replica; "
                + string.Format(System.Globalization.CultureInfo.InvariantCulture, edit, victim)
                + "; RESET session_replication_role"
        );
        var (status, verdict) = await VerifyAsync();

        await ExecuteAsync(
            "SET session_replication_role = replica; DELETE FROM audit_log; INSERT INTO audit_log SELECT * FROM kept; DROP TABLE kept; RESET session_replication_role"
        );
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.False(verdict.GetProperty("intact").GetBoolean());
        Assert.Equal(victim, verdict.GetProperty("first_bad").GetInt64());
        Assert.True((await VerifyAsync()).Body.GetProperty("intact").GetBoolean());
    }

    // The chain of such a log is as good as the true one.
    private const string RewriteSql = """
        SET session_replication_role = replica;
        CREATE TABLE kept AS SELECT * FROM audit_log;
        CREATE TABLE kept_head AS SELECT * FROM audit_head;
        DO $$ DECLARE r audit_log; last bytea := ''; BEGIN
            FOR r IN SELECT * FROM audit_log ORDER BY seq LOOP
                r.actor := 'nobody';
                r.hash := audit_hash(last, r);
                UPDATE audit_log a SET actor = r.actor, hash = r.hash WHERE a.seq = r.seq;
                last := r.hash;
            END LOOP;
            UPDATE audit_head SET hash = last;
        END $$;
        RESET session_replication_role
        """;

    private const string RestoreSql = """
        SET session_replication_role = replica;
        DELETE FROM audit_log;
        INSERT INTO audit_log SELECT * FROM kept;
        UPDATE audit_head h SET seq = k.seq, hash = k.hash FROM kept_head k;
        DROP TABLE kept, kept_head;
        RESET session_replication_role
        """;

    [Fact]
    public async Task D_18_a_log_that_was_rewritten_as_a_whole_is_not_what_was_put_down_of_it_here_or_elsewhere()
    {
        await MakeKeyAsync();
        await AnchorAsync();
        await MakeKeyAsync();
        await AnchorAsync();
        // Of a day there is one, however often it is asked for.
        var anchored = await ScalarAsync("SELECT seq FROM audit_anchors");
        await MakeKeyAsync();
        var (_, kept) = await VerifyAsync();
        var elsewhere = $"?seq={kept.GetProperty("seq").GetInt64()}&hash={kept.GetProperty("hash").GetString()}";
        Assert.True((await VerifyAsync(elsewhere)).Body.GetProperty("intact").GetBoolean());

        await ExecuteAsync(RewriteSql);
        var (_, here) = await VerifyAsync();
        // Of who rewrites these rows too.
        await ExecuteAsync(
            "SET session_replication_role = replica; UPDATE audit_anchors n SET hash = a.hash FROM audit_log a WHERE a.seq = n.seq; RESET session_replication_role"
        );
        var (_, nowhere) = await VerifyAsync();
        var (_, there) = await VerifyAsync(elsewhere);

        await ExecuteAsync(RestoreSql);
        await ExecuteAsync("SET session_replication_role = replica; DELETE FROM audit_anchors; RESET session_replication_role");
        Assert.Equal(anchored, here.GetProperty("first_bad").GetInt64());
        Assert.True(nowhere.GetProperty("intact").GetBoolean());
        Assert.Equal(kept.GetProperty("seq").GetInt64(), there.GetProperty("first_bad").GetInt64());
    }

    [Theory]
    [InlineData("?seq=1", "hash")]
    [InlineData("?hash=00", "seq")]
    [InlineData("?seq=x&hash=00", "seq")]
    [InlineData("?seq=1&hash=zz", "hash")]
    public async Task What_was_kept_elsewhere_is_whole_or_refused(string query, string named)
    {
        var (status, problem) = await VerifyAsync(query);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.True(problem.GetProperty("errors").TryGetProperty(named, out _));
    }

    [Theory]
    [InlineData("tier = 'premium'", """{"tier":"standard"}""", """{"tier":"premium"}""")]
    [InlineData("max_running = 3", """{"max_running":null}""", """{"max_running":3}""")]
    [InlineData("reserved_slots = 3", """{"reserved_slots":0}""", """{"reserved_slots":3}""")]
    public async Task A_change_in_the_database_itself_is_written_down_too(string change, string before, string after)
    {
        await ExecuteAsync($"UPDATE tenants SET {change} WHERE slug = 'default'");

        var row = (await ListAsync(api.Http, "kind=tenant&action=update_tenant"))[0];

        Assert.StartsWith("database:", row.GetProperty("actor").GetString(), StringComparison.Ordinal);
        Assert.Equal(before, row.GetProperty("before").GetRawText().Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal(after, row.GetProperty("after").GetRawText().Replace(" ", "", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_19_and_a_10_a_refused_act_is_a_403_and_a_row_once_a_minute()
    {
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "operations:read", "jobs:read");
        using var reader = api.Client(key);

        for (var i = 0; i < 3; i++)
        {
            var (status, _) = await SendAsync(reader, HttpMethod.Post, "/api/v1/dead-letters/replay", """{"filter":{}}""");
            Assert.Equal(HttpStatusCode.Forbidden, status);
        }

        var rows = await Eventually.GetAsync(
            _ => ListAsync(api.Http, "kind=refused&actor=" + ApiKey.TryParse(key)!.Id),
            rows => rows.Count > 0,
            "it is written down"
        );
        Assert.Equal("replay_dead_letters", Assert.Single(rows).GetProperty("action").GetString());
    }

    [Fact]
    public async Task D_18_who_signed_in_and_who_did_not_is_written_down_with_where_from()
    {
        const string Person = "signs-in@audit.example";
        await SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/users",
            $$"""{"email":"{{Person}}","role":"viewer","password":"a long password"}"""
        );
        using var anybody = api.Client(null);

        var wrong = await SendAsync(
            anybody,
            HttpMethod.Post,
            "/api/v1/sessions",
            $$"""{"email":"{{Person}}","password":"canary of a guess"}"""
        );
        var right = await SendAsync(
            anybody,
            HttpMethod.Post,
            "/api/v1/sessions",
            $$"""{"email":"{{Person}}","password":"a long password"}"""
        );

        var rows = await Eventually.GetAsync(
            _ => ListAsync(api.Http, "action=sign_in&tenant=*"),
            found => found.Count >= 2,
            "both are written down"
        );
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.Created), (wrong.Status, right.Status));
        var refused = Assert.Single(rows, row => row.GetProperty("kind").GetString() == "refused");
        var begun = Assert.Single(rows, row => row.GetProperty("kind").GetString() == "session");
        Assert.Equal(("anonymous", Person), (refused.GetProperty("actor").GetString(), refused.GetProperty("object").GetString()));
        Assert.StartsWith("usr_", begun.GetProperty("actor").GetString(), StringComparison.Ordinal);
        Assert.All(rows, row => Assert.NotEqual(JsonValueKind.Null, row.GetProperty("address").ValueKind));
        Assert.DoesNotContain("canary of a guess", string.Concat(rows.Select(row => row.GetRawText())), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_1_a_tenant_sees_its_own_rows_only_and_operators_all()
    {
        var key = await api.AddTenantAsync();
        using var tenant = api.Client(key);
        await SendAsync(tenant, HttpMethod.Post, "/api/v1/keys", """{"name":"ours","scopes":["jobs:read"]}""");
        await MakeKeyAsync();

        var own = await ListAsync(tenant, "action=add_key");
        var all = await ListAsync(api.Http, "action=add_key&tenant=*&limit=200");
        var named = await SendAsync(tenant, HttpMethod.Get, "/api/v1/audit?tenant=*");
        var check = await SendAsync(tenant, HttpMethod.Get, "/api/v1/audit/verification");

        Assert.Equal("ours", Assert.Single(own).GetProperty("after").GetProperty("name").GetString());
        Assert.Contains(all, row => row.GetProperty("seq").GetInt64() == own[0].GetProperty("seq").GetInt64());
        Assert.Equal("missing_scope", named.Body.GetProperty("code").GetString());
        Assert.Equal("missing_scope", check.Body.GetProperty("code").GetString());
    }

    [Fact]
    public async Task Pages_go_on_where_the_last_one_ended_and_filters_are_checked()
    {
        await MakeKeyAsync();
        await MakeKeyAsync();

        var (_, first) = await SendAsync(api.Http, HttpMethod.Get, "/api/v1/audit?limit=1&action=add_key");
        var next = first.GetProperty("next_before").GetInt64();
        var (_, second) = await SendAsync(api.Http, HttpMethod.Get, $"/api/v1/audit?limit=1&action=add_key&before_seq={next}");
        var wrong = await SendAsync(api.Http, HttpMethod.Get, "/api/v1/audit?before_seq=x");
        var unknown = await SendAsync(api.Http, HttpMethod.Get, "/api/v1/audit?who=me");

        Assert.True(second.GetProperty("data")[0].GetProperty("seq").GetInt64() < next);
        Assert.Equal("invalid_value", wrong.Body.GetProperty("code").GetString());
        Assert.Equal("unknown_query_parameter", unknown.Body.GetProperty("code").GetString());
    }

    private Task<(HttpStatusCode Status, JsonElement Body)> VerifyAsync(string kept = "") =>
        SendAsync(api.Http, HttpMethod.Get, "/api/v1/audit/verification" + kept);

    private Task AnchorAsync() => new AuditAnchors(api.Db.Source, NullLogger<AuditAnchors>.Instance).RunAsync(TestRun.Cancel);

    private async Task<long> ScalarAsync(string sql)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private static async Task<List<JsonElement>> ListAsync(HttpClient client, string query)
    {
        var (_, page) = await SendAsync(client, HttpMethod.Get, "/api/v1/audit?" + query);
        return [.. page.GetProperty("data").EnumerateArray()];
    }

    private Task<(HttpStatusCode Status, JsonElement Body)> MakeKeyAsync() =>
        SendAsync(api.Http, HttpMethod.Post, "/api/v1/keys", """{"name":"k","scopes":["jobs:read"]}""");

    private async Task ExecuteAsync(string sql)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }
}
