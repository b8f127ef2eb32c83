using System.Net;
using System.Text.Json;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

// Whom organisations keep apart, and who stands beside the operators.
public sealed partial class SessionTests
{
    [Fact]
    public async Task A_user_of_another_organisation_works_in_its_projects_only_and_runs_nothing_that_all_share()
    {
        var operators = await AddUserAsync("operators@example.com", "admin");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"corp"}""");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"corp-1","organisation":"corp"}""");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"corp-2","organisation":"corp"}""");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"leaver","organisation":"default"}""");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants/leaver/deletion", """{"confirm":"leaver","reason":"x"}""");
        var key = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/keys?tenant=corp-1", """{"name":"k","scopes":["*"]}""");
        using var corp = api.Client(key.Body.GetProperty("value").GetString());
        await SendAsync(corp, HttpMethod.Post, "/api/v1/users", User("boss@corp.example", "admin"));
        using var boss = api.Client((await SignInAsync("boss@corp.example", Password)).Body.GetProperty("token").GetString());

        var first = await SendAsync(boss, HttpMethod.Get, "/api/v1/sessions/current");
        var moved = await SendAsync(boss, HttpMethod.Patch, "/api/v1/sessions/current", """{"tenant":"corp-2"}""");
        var foreign = await SendAsync(boss, HttpMethod.Patch, "/api/v1/sessions/current", """{"tenant":"default"}""");
        var pause = await SendAsync(boss, HttpMethod.Post, "/api/v1/queues/pause", """{"kind":"queue","name":"default"}""");
        var data = await SendAsync(boss, HttpMethod.Get, "/api/v1/tenants/default/export");
        var deletion = await SendAsync(boss, HttpMethod.Get, "/api/v1/tenants/leaver/deletion");
        var root = await SendAsync(boss, HttpMethod.Patch, $"/api/v1/users/{operators}", """{"disabled":true}""");
        var people = await boss.GetStringAsync("/api/v1/users", TestRun.Cancel);

        Assert.Equal("corp-1", first.Body.GetProperty("tenant").GetString());
        Assert.Equal("corp-2", moved.Body.GetProperty("tenant").GetString());
        Assert.Equal(
            ["corp-1", "corp-2"],
            moved.Body.GetProperty("tenants").EnumerateArray().Select(tenant => tenant.GetProperty("slug").GetString())
        );
        Assert.Equal("tenant_not_found", foreign.Body.GetProperty("code").GetString());
        Assert.Equal("missing_scope", pause.Body.GetProperty("code").GetString());
        Assert.Equal("tenant_not_found", data.Body.GetProperty("code").GetString());
        Assert.Equal("tenant_not_found", deletion.Body.GetProperty("code").GetString());
        Assert.Equal(HttpStatusCode.OK, (await api.Http.GetAsync("/api/v1/tenants/leaver/deletion", TestRun.Cancel)).StatusCode);
        Assert.Equal("user_not_found", root.Body.GetProperty("code").GetString());
        Assert.False(first.Body.GetProperty("is_operator").GetBoolean());
        Assert.DoesNotContain("@example.com", people, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("POST", "/api/v1/users", """{"email":"me@beside.example","role":"admin","password":"it is all mine now"}""")]
    [InlineData("PATCH", "/api/v1/users/{root}", """{"password":"it is all mine now"}""")]
    [InlineData("POST", "/api/v1/tenants", """{"slug":"beside-2"}""")]
    [InlineData("PATCH", "/api/v1/tenants/default", """{"name":"mine"}""")]
    [InlineData("POST", "/api/v1/queues/pause", """{"kind":"queue","name":"default"}""")]
    [InlineData("GET", "/api/v1/queues", null)]
    [InlineData("GET", "/api/v1/stats", null)]
    [InlineData("GET", "/api/v1/credentials", null)]
    [InlineData("PUT", "/api/v1/routes/mine", """{"targets":[{"provider":"p1","model":"m"}]}""")]
    [InlineData("PUT", "/api/v1/prices/p1/m", """{"input_per_million":0,"output_per_million":0}""")]
    [InlineData("POST", "/api/v1/budgets", """{"scope":"global","window":"day","limit_usd":0}""")]
    public async Task A_17_a_key_beside_the_operators_makes_no_operator_and_runs_nothing_that_all_share(
        string method,
        string path,
        string? body
    )
    {
        var (root, slug) = (await AddUserAsync($"{Guid.CreateVersion7():N}@example.com", "admin"), $"b-{Guid.CreateVersion7():N}");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", JsonSerializer.Serialize(new { slug, organisation = "default" }));
        var key = await SendAsync(api.Http, HttpMethod.Post, $"/api/v1/keys?tenant={slug}", """{"name":"k","scopes":["*"]}""");
        using var beside = api.Client(key.Body.GetProperty("value").GetString());

        var refused = await SendAsync(beside, new HttpMethod(method), path.Replace("{root}", root, StringComparison.Ordinal), body);
        var own = await SendAsync(beside, HttpMethod.Post, "/api/v1/budgets", """{"scope":"tenant","window":"day","limit_usd":9}""");

        Assert.Equal((HttpStatusCode.Forbidden, "missing_scope"), (refused.Status, refused.Body.GetProperty("code").GetString()));
        Assert.Equal(HttpStatusCode.Created, own.Status);
    }

    [Fact]
    public async Task A_17_who_works_beside_the_operators_takes_no_data_of_theirs_along()
    {
        await AddUserAsync("beside@example.com", "admin");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"beside-them","organisation":"default"}""");
        using var user = api.Client((await SignInAsync("beside@example.com", Password)).Body.GetProperty("token").GetString());
        var moved = await SendAsync(user, HttpMethod.Patch, "/api/v1/sessions/current", """{"tenant":"beside-them"}""");

        var refused = await SendAsync(user, HttpMethod.Get, "/api/v1/tenants/default/export");

        Assert.Equal("beside-them", moved.Body.GetProperty("tenant").GetString());
        Assert.Equal(HttpStatusCode.Forbidden, refused.Status);
        Assert.Contains("is of one tenant", refused.Body.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_of_another_organisation_makes_its_first_user_only_and_one_that_is_bound_makes_none()
    {
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"firm"}""");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"firm-1","organisation":"firm"}""");
        var key = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/keys?tenant=firm-1", """{"name":"k","scopes":["*"]}""");
        var tied = await SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/keys",
            """{"name":"k","scopes":["*"],"allowed_networks":["127.0.0.0/8","::1/128"]}"""
        );
        using var firm = api.Client(key.Body.GetProperty("value").GetString());
        using var bound = api.Client(tied.Body.GetProperty("value").GetString());

        var byBound = await SendAsync(bound, HttpMethod.Post, "/api/v1/users", User("free@example.com", "admin"));
        var first = await SendAsync(firm, HttpMethod.Post, "/api/v1/users", User("one@firm.example", "admin"));
        var second = await SendAsync(firm, HttpMethod.Post, "/api/v1/users", User("two@firm.example", "viewer"));
        var path = $"/api/v1/users/{first.Body.GetProperty("id").GetString()}";
        var seized = await SendAsync(firm, HttpMethod.Patch, path, """{"password":"it is all mine now"}""");
        var helped = await SendAsync(api.Http, HttpMethod.Patch, path, """{"password":"forgotten no more"}""");
        using var boss = api.Client((await SignInAsync("one@firm.example", "forgotten no more")).Body.GetProperty("token").GetString());
        var bySession = await SendAsync(boss, HttpMethod.Post, "/api/v1/users", User("two@firm.example", "viewer"));

        Assert.Equal("beyond_own_key", byBound.Body.GetProperty("code").GetString());
        Assert.Equal(HttpStatusCode.Created, first.Status);
        Assert.Equal("beyond_own_key", second.Body.GetProperty("code").GetString());
        Assert.Equal("beyond_own_key", seized.Body.GetProperty("code").GetString());
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Created), (helped.Status, bySession.Status));
        Assert.Equal(HttpStatusCode.OK, (await boss.GetAsync("/api/v1/webhooks", TestRun.Cancel)).StatusCode);
    }
}
