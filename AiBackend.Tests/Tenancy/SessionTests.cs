using System.Net;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

/// <summary>People: the first one, signing in and out, and what a role may do.</summary>
public sealed partial class SessionTests(ApiServer api) : IClassFixture<ApiServer>
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
    public async Task A_14_a_session_that_outlived_its_user_opens_nothing()
    {
        await AddUserAsync("outlived@example.com", "viewer");
        using var client = api.Client((await SignInAsync("outlived@example.com", Password)).Body.GetProperty("token").GetString());
        // Without what ends the sessions of who is disabled: one may begin in the same moment.
        await ExecuteAsync("UPDATE users SET disabled_at = now() WHERE email = 'outlived@example.com'");

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

    [Fact]
    public async Task What_goes_on_in_the_name_of_a_key_is_not_begun_by_who_signed_in()
    {
        await AddUserAsync("keyless@example.com", "admin");
        using var client = api.Client((await SignInAsync("keyless@example.com", Password)).Body.GetProperty("token").GetString());
        var job = await api.SubmitAsync();
        const string Batch = """{"input_file_id":"file-x","endpoint":"/v1/chat/completions","completion_window":"24h"}""";

        var ticket = await SendAsync(client, HttpMethod.Post, $"/api/v1/jobs/{job.Id}/stream-tickets");
        var batch = await SendAsync(client, HttpMethod.Post, "/v1/batches", Batch);

        Assert.Equal(HttpStatusCode.Forbidden, ticket.Status);
        Assert.Contains("Tickets are made by API keys", ticket.Body.ToString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, batch.Status);
        Assert.Contains("A batch is submitted for an API key", batch.Body.ToString(), StringComparison.Ordinal);
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

        foreach (var call in api.Calls())
        {
            // The last one counts, as a metadata item does that is asked for alone.
            var policy = call.Policies.LastOrDefault();
            if (policy is null or Policies.AnyKey || allowed.Contains(policy))
            {
                continue;
            }

            var (method, path) = (call.Method, ApiCalls.Fill(call.Pattern, "x"));
            var answer = await SendAsync(client, new HttpMethod(method), path, method == "GET" ? null : "{}");
            Assert.True(answer.Status == HttpStatusCode.Forbidden, $"{method} {path} answered {answer.Status}.");
            tried++;
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
        // What he is counts, and what he would be.
        var lowered = await SendAsync(keyMaker, HttpMethod.Patch, $"/api/v1/users/{root}", """{"role":"viewer"}""");
        var made = below.Body.GetProperty("id").GetString();
        var promoted = await SendAsync(keyMaker, HttpMethod.Patch, $"/api/v1/users/{made}", """{"role":"admin"}""");

        Assert.Equal("beyond_own_key", lowered.Body.GetProperty("code").GetString());
        Assert.Equal("beyond_own_key", promoted.Body.GetProperty("code").GetString());
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
