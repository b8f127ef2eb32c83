using System.Net;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Microsoft.AspNetCore.Authorization;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

/// <summary>People: the first one, signing in and out, and what a role may do.</summary>
public sealed class SessionTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Password = "correct horse battery";

    [Fact]
    public async Task D_4_a_session_is_a_bearer_of_its_own_prefix_with_the_scopes_of_the_role_and_ends_by_signing_out()
    {
        await AddUserAsync("ada@example.com", "member");

        var begun = await SignInAsync("Ada@Example.com ", Password);
        var token = begun.Body.GetProperty("token").GetString()!;
        using var client = api.Client(token);
        var who = await SendAsync(client, HttpMethod.Get, "/api/v1/sessions/current");

        Assert.Equal(HttpStatusCode.Created, begun.Status);
        Assert.Matches("^aibs_[0-9A-Za-z]{36}$", token);
        Assert.Equal(
            ("default", "member", string.Join(' ', ScopesOf("member"))),
            (
                who.Body.GetProperty("tenant").GetString(),
                who.Body.GetProperty("user").GetProperty("role").GetString(),
                string.Join(' ', who.Body.GetProperty("scopes").EnumerateArray())
            )
        );
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/api/v1/jobs", TestRun.Cancel)).StatusCode);
        Assert.NotEqual(token, (await SignInAsync("ada@example.com", Password)).Body.GetProperty("token").GetString());
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(client, HttpMethod.Delete, "/api/v1/sessions/current")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("/api/v1/jobs", TestRun.Cancel)).StatusCode);
        await using var command = api.Db.Source.CreateCommand(
            "SELECT count(*) FROM sessions s, users u WHERE strpos(s::text || u::text, $1) > 0"
        );
        command.Parameters.AddWithValue(token[5..]);
        Assert.Equal(0L, await command.ExecuteScalarAsync(TestRun.Cancel));
    }

    [Theory]
    [InlineData("seen_at = now() - interval '8 hours 1 second'")]
    [InlineData("created_at = now() - interval '24 hours 1 second'")]
    public async Task D_4_a_session_ends_after_eight_hours_without_use_and_after_twenty_four(string age)
    {
        await AddUserAsync($"{age.Length}@example.com", "viewer");
        var token = (await SignInAsync($"{age.Length}@example.com", Password)).Body.GetProperty("token").GetString();
        await ExecuteAsync($"UPDATE sessions SET {age} WHERE user_id = (SELECT id FROM users WHERE email = '{age.Length}@example.com')");

        using var client = api.Client(token);
        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("/api/v1/jobs", TestRun.Cancel)).StatusCode);
    }

    [Fact]
    public async Task A_13_whatever_is_wrong_is_one_answer_and_guesses_are_throttled_by_user_and_address()
    {
        await AddUserAsync("known@example.com", "viewer");
        var off = await AddUserAsync("off@example.com", "viewer");
        await SendAsync(api.Http, HttpMethod.Patch, $"/api/v1/users/{off}", """{"disabled":true}""");

        var answers = new List<(HttpStatusCode Status, JsonElement Body)>
        {
            await SignInAsync("known@example.com", "wrong wrong wrong"),
            await SignInAsync("nobody@example.com", Password),
            await SignInAsync("off@example.com", Password),
            await SignInAsync("", ""),
            await SignInAsync("' OR '1'='1", "' OR '1'='1"),
        };
        var guesses = new List<HttpStatusCode>();
        for (var i = 0; i < 6; i++)
        {
            guesses.Add((await SignInAsync("known@example.com", "guess guess guess")).Status);
        }

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Unauthorized, answer.Status));
        Assert.Single(answers.Select(answer => answer.Body.GetProperty("detail").GetString()).Distinct(StringComparer.Ordinal));
        Assert.Equal(HttpStatusCode.TooManyRequests, guesses[^1]);
        // Not even the right password is looked at from there, for a minute; the user is not locked out elsewhere.
        Assert.Equal(HttpStatusCode.TooManyRequests, (await SignInAsync("known@example.com", Password)).Status);
    }

    [Fact]
    public async Task A_14_a_disabled_user_and_one_with_another_password_is_out_within_thirty_seconds_streams_included()
    {
        var id = await AddUserAsync("gone@example.com", "member");
        var token = (await SignInAsync("gone@example.com", Password)).Body.GetProperty("token").GetString();
        using var client = api.Client(token);
        var job = await api.SubmitAsync();
        using var stream = await client.GetAsync($"/api/v1/jobs/{job.Id}/events", HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
        stream.EnsureSuccessStatusCode();

        await SendAsync(api.Http, HttpMethod.Patch, $"/api/v1/users/{id}", """{"disabled":true}""");

        await Eventually.TrueAsync(
            async token => (await client.GetAsync("/api/v1/jobs", token)).StatusCode == HttpStatusCode.Unauthorized,
            "the session is over"
        );
        // The end of the stream, by the server.
        await (await stream.Content.ReadAsStreamAsync(TestRun.Cancel))
            .CopyToAsync(Stream.Null, TestRun.Cancel)
            .WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel);
        await SendAsync(api.Http, HttpMethod.Patch, $"/api/v1/users/{id}", """{"disabled":false,"password":"another long password"}""");
        Assert.Equal(HttpStatusCode.Unauthorized, (await SignInAsync("gone@example.com", Password)).Status);
        Assert.Equal(HttpStatusCode.Created, (await SignInAsync("gone@example.com", "another long password")).Status);
    }

    [Theory]
    [InlineData("viewer")]
    [InlineData("member")]
    public async Task A_17_who_is_no_operator_is_refused_at_every_endpoint_of_operators(string role)
    {
        await AddUserAsync($"{role}@example.com", role);
        using var client = api.Client((await SignInAsync($"{role}@example.com", Password)).Body.GetProperty("token").GetString());
        var allowed = ScopesOf(role);
        Assert.DoesNotContain("operations:write", allowed);
        var tried = 0;

        foreach (var endpoint in api.Get<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>())
        {
            var policy = endpoint.Metadata.GetMetadata<IAuthorizeData>()?.Policy;
            if (policy is null or Policies.AnyKey || allowed.Contains(policy))
            {
                continue;
            }

            var path = System.Text.RegularExpressions.Regex.Replace(endpoint.RoutePattern.RawText!, @"\{[^}]+\}", "x");
            foreach (var method in endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods)
            {
                var answer = await SendAsync(client, new HttpMethod(method), path, method == "GET" ? null : "{}");
                Assert.True(answer.Status == HttpStatusCode.Forbidden, $"{method} {path} answered {answer.Status}.");
                tried++;
            }
        }

        Assert.True(tried > 20, $"{tried} were tried.");
    }

    [Fact]
    public async Task Nobody_makes_somebody_who_may_do_more_and_an_administrator_changes_everybody_but_himself()
    {
        var root = await AddUserAsync("root@example.com", "admin");
        using var admin = api.Client((await SignInAsync("root@example.com", Password)).Body.GetProperty("token").GetString());
        using var keyMaker = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, ["users:write", .. ScopesOf("viewer")]));

        var above = await SendAsync(keyMaker, HttpMethod.Post, "/api/v1/users", User("a@example.com", "member"));
        var below = await SendAsync(keyMaker, HttpMethod.Post, "/api/v1/users", User("b@example.com", "viewer"));
        var self = await SendAsync(admin, HttpMethod.Patch, $"/api/v1/users/{root}", """{"role":"viewer"}""");
        var raised = await SendAsync(keyMaker, HttpMethod.Patch, $"/api/v1/users/{root}", """{"password":"now it is mine"}""");

        Assert.Equal("beyond_own_key", above.Body.GetProperty("code").GetString());
        Assert.Equal(HttpStatusCode.Created, below.Status);
        Assert.Equal("invalid_value", self.Body.GetProperty("code").GetString());
        Assert.Equal("beyond_own_key", raised.Body.GetProperty("code").GetString());
    }

    [Theory]
    [InlineData("""{"email":"x","role":"admin","password":"long enough for it"}""", "email is \"x\"")]
    [InlineData("""{"email":"x@y.z","role":"root","password":"long enough for it"}""", "role is \"root\"")]
    [InlineData("""{"email":"x@y.z","role":"admin","password":"short"}""", "password has 5 characters")]
    [InlineData("""{"email":"x@y.z","role":"admin","password":"long enough for it","isAdmin":true}""", "isAdmin")]
    public async Task A_15_a_user_that_cannot_be_is_refused_with_the_remedy(string body, string detail)
    {
        var (status, problem) = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/users", body);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains(detail, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_user_of_another_organisation_works_in_its_projects_only_and_runs_nothing_that_all_share()
    {
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", """{"slug":"corp"}""");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"corp-1","organisation":"corp"}""");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"corp-2","organisation":"corp"}""");
        var key = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/keys?tenant=corp-1", """{"name":"k","scopes":["*"]}""");
        using var corp = api.Client(key.Body.GetProperty("value").GetString());
        await SendAsync(corp, HttpMethod.Post, "/api/v1/users", User("boss@corp.example", "admin"));
        using var boss = api.Client((await SignInAsync("boss@corp.example", Password)).Body.GetProperty("token").GetString());

        var first = await SendAsync(boss, HttpMethod.Get, "/api/v1/sessions/current");
        var moved = await SendAsync(boss, HttpMethod.Patch, "/api/v1/sessions/current", """{"tenant":"corp-2"}""");
        var foreign = await SendAsync(boss, HttpMethod.Patch, "/api/v1/sessions/current", """{"tenant":"default"}""");
        var pause = await SendAsync(boss, HttpMethod.Post, "/api/v1/queues/pause", """{"kind":"queue","name":"default"}""");
        var people = await boss.GetStringAsync("/api/v1/users", TestRun.Cancel);

        Assert.Equal("corp-1", first.Body.GetProperty("tenant").GetString());
        Assert.Equal("corp-2", moved.Body.GetProperty("tenant").GetString());
        Assert.Equal(
            ["corp-1", "corp-2"],
            moved.Body.GetProperty("tenants").EnumerateArray().Select(tenant => tenant.GetProperty("slug").GetString())
        );
        Assert.Equal("tenant_not_found", foreign.Body.GetProperty("code").GetString());
        Assert.Equal("missing_scope", pause.Body.GetProperty("code").GetString());
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

    private Task<(HttpStatusCode Status, JsonElement Body)> SignInAsync(string email, string password) =>
        SendAsync(api.Client(null), HttpMethod.Post, "/api/v1/sessions", JsonSerializer.Serialize(new { email, password }));

    private async Task<string> AddUserAsync(string email, string role)
    {
        var (status, made) = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/users", User(email, role));
        Assert.True(status == HttpStatusCode.Created, made.ToString());
        return made.GetProperty("id").GetString()!;
    }

    private static string User(string email, string role) =>
        JsonSerializer.Serialize(
            new
            {
                email,
                role,
                password = Password,
            }
        );

    private static IReadOnlyList<string> ScopesOf(string role) =>
        UserRoles.ScopesOf(Enum.Parse<UserRole>(role, ignoreCase: true), ofOperators: true);

    private async Task ExecuteAsync(string sql)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }
}
