using System.Net;
using System.Text;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

/// <summary>A session that works in another project now, and pages of the one before.</summary>
public sealed class TenantSwitchTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Password = "correct horse battery";

    [Fact]
    public async Task What_is_meant_for_the_project_before_a_switch_is_refused_and_nothing_is_done()
    {
        using var boss = api.Client(await SignInAsync("one"));
        Assert.Equal(HttpStatusCode.Accepted, (await SubmitAsync(boss, "one-1")).StatusCode);

        await SendAsync(boss, HttpMethod.Patch, "/api/v1/sessions/current", """{"tenant":"one-2"}""");
        using var refused = await SubmitAsync(boss, "one-1");

        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal("other_tenant", problem.Code);
        Assert.Contains("works in \"one-2\" now. Nothing was done.", problem.Detail, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Accepted, (await SubmitAsync(boss, "one-2")).StatusCode);
        Assert.Equal((1, 1), (await JobsOfAsync("one-1"), await JobsOfAsync("one-2")));
    }

    [Fact]
    public async Task Another_server_that_knew_the_session_in_the_project_before_does_not_write_there()
    {
        using var boss = api.Client(await SignInAsync("two"));
        await using var second = ApiServer.Create([
            ("ConnectionStrings:aibackend", api.Db.ConnectionString),
            ("ConnectionStrings:redis", api.Get<IConfiguration>()["ConnectionStrings:redis"]!),
        ]);
        await second.StartAsync(TestRun.Cancel);
        using var handler = new SocketsHttpHandler();
        using var there = new HttpClient(handler) { BaseAddress = new Uri(second.Urls.Single()) };
        there.DefaultRequestHeaders.Authorization = boss.DefaultRequestHeaders.Authorization;
        Assert.Equal(HttpStatusCode.Accepted, (await SubmitAsync(there, "two-1")).StatusCode);

        await SendAsync(boss, HttpMethod.Patch, "/api/v1/sessions/current", """{"tenant":"two-2"}""");
        var taken = await SubmitAsync(there, "two-2");
        var refused = await SubmitAsync(there, "two-1");

        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.Conflict), (taken.StatusCode, refused.StatusCode));
        Assert.Equal((1, 1), (await JobsOfAsync("two-1"), await JobsOfAsync("two-2")));
        await second.StopAsync(TestRun.Cancel);
    }

    [Fact]
    public async Task A_14_a_stream_of_the_project_before_a_switch_ends()
    {
        using var boss = api.Client(await SignInAsync("four"));
        using var submitted = await SubmitAsync(boss, "four-1");
        using var stream = await boss.GetAsync(
            $"{submitted.Headers.Location}/events",
            HttpCompletionOption.ResponseHeadersRead,
            TestRun.Cancel
        );
        stream.EnsureSuccessStatusCode();

        await SendAsync(boss, HttpMethod.Patch, "/api/v1/sessions/current", """{"tenant":"four-2"}""");

        // The end of the stream, by the server.
        await (await stream.Content.ReadAsStreamAsync(TestRun.Cancel))
            .CopyToAsync(Stream.Null, TestRun.Cancel)
            .WaitAsync(TimeSpan.FromSeconds(30), TestRun.Cancel);
    }

    [Fact]
    public async Task A_key_of_another_tenant_than_the_one_that_is_meant_is_refused()
    {
        using var refused = await SubmitAsync(api.Http, "elsewhere");
        using var taken = await SubmitAsync(api.Http, "default");

        Assert.Contains("is of \"default\"", (await ApiServer.ReadProblemAsync(refused)).Detail, StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.Conflict, HttpStatusCode.Accepted), (refused.StatusCode, taken.StatusCode));
    }

    [Fact]
    public async Task Who_sets_their_own_password_stays_signed_in_there_and_nowhere_else()
    {
        using var here = api.Client(await SignInAsync("three"));
        using var elsewhere = api.Client(await TokenAsync("boss@three.example"));
        var who = await SendAsync(here, HttpMethod.Get, "/api/v1/sessions/current");
        var id = who.Body.GetProperty("user").GetProperty("id").GetString();

        var changed = await SendAsync(here, HttpMethod.Patch, $"/api/v1/users/{id}", """{"password":"another long password"}""");

        Assert.Equal(HttpStatusCode.OK, changed.Status);
        await Eventually.TrueAsync(
            async token => (await elsewhere.GetAsync("/api/v1/jobs", token)).StatusCode is HttpStatusCode.Unauthorized,
            "the other session is over",
            TimeSpan.FromSeconds(15)
        );
        // After whatever any server remembered of it.
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(here, HttpMethod.Get, "/api/v1/sessions/current")).Status);
    }

    /// <summary>An organisation with two projects, and its administrator in the first of them.</summary>
    private async Task<string> SignInAsync(string name)
    {
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/organisations", $$"""{"slug":"{{name}}"}""");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", $$"""{"slug":"{{name}}-1","organisation":"{{name}}"}""");
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", $$"""{"slug":"{{name}}-2","organisation":"{{name}}"}""");
        var key = await SendAsync(api.Http, HttpMethod.Post, $"/api/v1/keys?tenant={name}-1", """{"name":"k","scopes":["*"]}""");
        using var first = api.Client(key.Body.GetProperty("value").GetString());
        var boss = $$"""{"email":"boss@{{name}}.example","role":"admin","password":"{{Password}}"}""";
        Assert.Equal(HttpStatusCode.Created, (await SendAsync(first, HttpMethod.Post, "/api/v1/users", boss)).Status);
        return await TokenAsync($"boss@{name}.example");
    }

    private async Task<string> TokenAsync(string email)
    {
        var begun = await SendAsync(
            api.Client(null),
            HttpMethod.Post,
            "/api/v1/sessions",
            $$"""{"email":"{{email}}","password":"{{Password}}"}"""
        );
        return begun.Body.GetProperty("token").GetString()!;
    }

    private static Task<HttpResponseMessage> SubmitAsync(HttpClient http, string tenant) =>
        ApiServer.PostAsync(http, Encoding.UTF8.GetBytes(ApiServer.Chat), (RequestHeaders.Tenant, tenant));

    private async Task<long> JobsOfAsync(string slug)
    {
        await using var command = api.Db.Source.CreateCommand(
            "SELECT count(*) FROM jobs j JOIN tenants t ON t.id = j.tenant_id WHERE t.slug = $1"
        );
        command.Parameters.AddWithValue(slug);
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }
}
