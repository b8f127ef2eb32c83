using System.Net;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

/// <summary><c>/api/v1/tenants</c> and <c>/api/v1/organisations</c>.</summary>
public sealed class TenantApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task Operators_make_organisations_and_their_tenants_and_keys_of_a_disabled_one_are_refused()
    {
        var made = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"acme","name":"Acme"}""");
        var tenant = await SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/tenants",
            """{"slug":"acme-web","organisation":"acme","tier":"premium","max_queued":7,"max_running":3,"reserved_slots":2}"""
        );
        var again = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"acme-web","organisation":"acme"}""");
        var key = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/keys?tenant=acme-web", """{"name":"k","scopes":["jobs:read"]}""");
        using var client = api.Client(key.Body.GetProperty("value").GetString());

        Assert.Equal(HttpStatusCode.Created, made.Status);
        Assert.Equal(
            ("acme", "premium", 7L, 3L, 2),
            (
                tenant.Body.GetProperty("organisation").GetString(),
                tenant.Body.GetProperty("tier").GetString(),
                tenant.Body.GetProperty("max_queued").GetInt64(),
                tenant.Body.GetProperty("max_running").GetInt64(),
                tenant.Body.GetProperty("reserved_slots").GetInt32()
            )
        );
        Assert.Equal((HttpStatusCode.Conflict, "slug_taken"), (again.Status, again.Body.GetProperty("code").GetString()));
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/api/v1/jobs", TestRun.Cancel)).StatusCode);

        var disabled = await SendAsync(api.Http, HttpMethod.Patch, "/api/v1/tenants/acme-web", """{"disabled":true,"reserved_slots":5}""");

        Assert.Equal(5, disabled.Body.GetProperty("reserved_slots").GetInt32());
        Assert.NotEqual(default, disabled.Body.GetProperty("disabled_at").GetDateTimeOffset());
        await Eventually.TrueAsync(
            async token => (await client.GetAsync("/api/v1/jobs", token)).StatusCode == HttpStatusCode.Unauthorized,
            "its key is refused",
            TimeSpan.FromSeconds(6)
        );
        var enabled = await SendAsync(api.Http, HttpMethod.Patch, "/api/v1/tenants/acme-web", """{"disabled":false}""");
        Assert.Equal(5, enabled.Body.GetProperty("reserved_slots").GetInt32());
        Assert.Equal(3, enabled.Body.GetProperty("max_running").GetInt64());
        var unbounded = await SendAsync(api.Http, HttpMethod.Patch, "/api/v1/tenants/acme-web", """{"max_running":0}""");
        Assert.Equal(System.Text.Json.JsonValueKind.Null, unbounded.Body.GetProperty("max_running").ValueKind);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/api/v1/jobs", TestRun.Cancel)).StatusCode);
    }

    [Fact]
    public async Task Others_see_and_make_tenants_of_their_organisation_only_and_decide_nothing_that_all_share()
    {
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"small"}""");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"small-1","organisation":"small"}""");
        var key = await SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/keys?tenant=small-1",
            """{"name":"k","scopes":["tenants:read","tenants:write"]}"""
        );
        using var client = api.Client(key.Body.GetProperty("value").GetString());

        var made = await SendAsync(client, HttpMethod.Post, "/api/v1/tenants", """{"slug":"small-2"}""");
        var tier = await SendAsync(client, HttpMethod.Post, "/api/v1/tenants", """{"slug":"small-3","tier":"premium"}""");
        var reserved = await SendAsync(client, HttpMethod.Patch, "/api/v1/tenants/small-1", """{"reserved_slots":1}""");
        var running = await SendAsync(client, HttpMethod.Patch, "/api/v1/tenants/small-1", """{"max_running":1}""");
        var foreign = await SendAsync(client, HttpMethod.Post, "/api/v1/tenants", """{"slug":"small-4","organisation":"default"}""");
        var organisation = await SendAsync(client, HttpMethod.Post, "/api/v1/organisations", """{"slug":"mine"}""");
        var unseen = await SendAsync(client, HttpMethod.Patch, "/api/v1/tenants/default", """{"name":"mine"}""");
        var list = await client.GetStringAsync("/api/v1/tenants", TestRun.Cancel);

        Assert.Equal("small", made.Body.GetProperty("organisation").GetString());
        Assert.Equal("missing_scope", tier.Body.GetProperty("code").GetString());
        Assert.Equal("missing_scope", reserved.Body.GetProperty("code").GetString());
        Assert.Equal("missing_scope", running.Body.GetProperty("code").GetString());
        Assert.Equal("invalid_value", foreign.Body.GetProperty("code").GetString());
        Assert.Equal("missing_scope", organisation.Body.GetProperty("code").GetString());
        Assert.Equal("tenant_not_found", unseen.Body.GetProperty("code").GetString());
        Assert.Contains("small-2", list, StringComparison.Ordinal);
        Assert.DoesNotContain("\"default\"", list, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"organisation":"default"}""", "slug is missing")]
    [InlineData("""{"slug":"a"}""", "organisation is missing")]
    [InlineData("""{"organisation":"default","slug":"Big"}""", "slug is \"Big\"")]
    [InlineData("""{"organisation":"default","slug":"a","tier":"gold"}""", "tier is \"gold\"")]
    [InlineData("""{"organisation":"default","slug":"a","max_queued":-1}""", "max_queued is -1")]
    [InlineData("""{"organisation":"default","slug":"a","max_running":-1}""", "max_running is -1")]
    [InlineData("""{"organisation":"default","slug":"a","reserved_slots":10001}""", "reserved_slots is 10001")]
    [InlineData("""{"slug":"a","id":"x"}""", "id")]
    public async Task A_15_a_tenant_that_cannot_be_is_refused_with_the_remedy(string body, string detail)
    {
        var (status, problem) = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", body);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains(detail, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_operators_own_tenant_cannot_be_disabled()
    {
        var (status, problem) = await SendAsync(api.Http, HttpMethod.Patch, "/api/v1/tenants/default", """{"disabled":true}""");

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("nobody could enable it again", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }
}
