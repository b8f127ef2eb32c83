using System.Net;
using System.Text;
using AiBackend.ApiContracts.Tools;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Tools;

/// <summary>The registry, and jobs that name its tools, over HTTP.</summary>
public sealed class ToolApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Read =
        """{"kind":"http","effect":"read","url":"https://tools.example.com/a","description":"Looks something up.","parameters":{"type":"object"}}""";

    [Fact]
    public async Task A_tool_is_made_changed_read_and_deleted_in_versions()
    {
        var created = await PutAsync("lookup", Read);
        Assert.Equal((HttpStatusCode.Created, "\"1\""), (created.StatusCode, created.Headers.ETag!.ToString()));
        var changed = await PutAsync("lookup", Read.Replace("\"read\"", "\"write\"", StringComparison.Ordinal), ifMatch: "\"1\"");
        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        await RefusedAsync(await PutAsync("lookup", Read, ifMatch: "\"1\""), "version-mismatch", HttpStatusCode.PreconditionFailed);

        var tool = (await api.Http.GetFromJsonAsync<Tool>("/api/v1/tools/lookup", Json, TestRun.Cancel))!;
        Assert.Equal((2, ToolEffects.Write, 15), (tool.Version, tool.Effect, tool.TimeoutSeconds));
        var versions = (await api.Http.GetFromJsonAsync<ToolList>("/api/v1/tools/lookup?versions=all", Json, TestRun.Cancel))!;
        Assert.Equal([2, 1], versions.Data.Select(each => each.Version));

        Assert.Equal(HttpStatusCode.NoContent, (await api.Http.DeleteAsync("/api/v1/tools/lookup", TestRun.Cancel)).StatusCode);
        await RefusedAsync(await api.Http.GetAsync("/api/v1/tools/lookup", TestRun.Cancel), "tool-not-found", HttpStatusCode.NotFound);
        await RefusedAsync(await api.Http.DeleteAsync("/api/v1/tools/lookup", TestRun.Cancel), "tool-not-found", HttpStatusCode.NotFound);
        var list = (await api.Http.GetFromJsonAsync<ToolList>("/api/v1/tools", Json, TestRun.Cancel))!;
        Assert.DoesNotContain(list.Data, each => each.Name == "lookup");
        Assert.Contains(list.Data, each => each is { Name: "current_time", Kind: ToolKinds.Code, Version: 0 });
    }

    [Fact]
    public async Task The_value_of_a_header_is_never_shown_and_stays_for_its_host_alone()
    {
        const string WithHeader =
            """{"kind":"http","effect":"read","url":"https://tools.example.com/a","header":{"name":"Authorization","value":"Bearer s3cret"}}""";
        var created = await (await PutAsync("secretive", WithHeader)).Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.Contains("\"header_name\":\"Authorization\"", created, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", created, StringComparison.Ordinal);

        var kept = WithHeader.Replace(",\"value\":\"Bearer s3cret\"", "", StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await PutAsync("secretive", kept)).StatusCode);
        await RefusedAsync(
            await PutAsync("secretive", kept.Replace("tools.example", "thief.example", StringComparison.Ordinal)),
            "invalid-value",
            HttpStatusCode.BadRequest
        );
        var audit = await api.Http.GetStringAsync("/api/v1/audit?limit=50", TestRun.Cancel);
        Assert.Contains("secretive", audit, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", audit, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x", "{}", "kind")]
    [InlineData("x", """{"kind":"http","effect":"external_wait","url":"https://a.example.com"}""", "effect")]
    [InlineData("x", """{"kind":"client","effect":"write"}""", "effect")]
    [InlineData("x", """{"kind":"client","url":"https://a.example.com"}""", "url")]
    [InlineData("x", """{"kind":"http","effect":"read","url":"http://169.254.169.254/latest"}""", "url")]
    [InlineData(
        "x",
        """{"kind":"http","effect":"read","url":"https://a.example.com","verify_url":"https://a.example.com"}""",
        "verify_url"
    )]
    [InlineData(
        "x",
        """{"kind":"http","effect":"write","url":"https://a.example.com","verify_url":"http://169.254.169.254/latest"}""",
        "verify_url"
    )]
    [InlineData(
        "x",
        """{"kind":"http","effect":"read","url":"https://a.example.com","header":{"name":"Host","value":"b"}}""",
        "header.name"
    )]
    [InlineData(
        "x",
        """{"kind":"http","effect":"read","url":"https://a.example.com","header":{"name":"A","value":"b\nC: d"}}""",
        "header.value"
    )]
    [InlineData("x", """{"kind":"http","effect":"read","url":"https://a.example.com","timeout_seconds":121}""", "timeout_seconds")]
    [InlineData("x", """{"kind":"http","effect":"read","url":"https://a.example.com","max_result_bytes":65537}""", "max_result_bytes")]
    [InlineData("x", """{"kind":"client","parameters":{"type":"string","pattern":"(a+)+$","$ref":"https://evil.example"}}""", "parameters")]
    [InlineData("x", """{"kind":"http","effect":"read","url":"https://a.example.com","calls_per_minute":0}""", "calls_per_minute")]
    [InlineData("x", """{"kind":"http","effect":"read","url":"https://a.example.com","calls_per_minute":1000001}""", "calls_per_minute")]
    [InlineData("x", """{"kind":"client","calls_per_minute":5}""", "calls_per_minute")]
    [InlineData("x", """{"kind":"client","parameters":[]}""", "parameters")]
    [InlineData("x", """{"kind":"client","keys":[]}""", "keys")]
    [InlineData("x", """{"kind":"mcp","effect":"read"}""", "url")]
    [InlineData("x", """{"kind":"mcp","effect":"read","url":"http://127.0.0.1/mcp"}""", "url")]
    [InlineData("x", """{"kind":"mcp","effect":"external_wait","url":"https://a.example.com"}""", "effect")]
    [InlineData("x", """{"kind":"mcp","effect":"read","server":"nobody's"}""", "server")]
    [InlineData("x", """{"kind":"mcp","effect":"read","server":"a","url":"https://a.example.com"}""", "server")]
    [InlineData("x", """{"kind":"http","effect":"read","url":"https://a.example.com","remote_name":"a"}""", "server")]
    [InlineData("no space", """{"kind":"client"}""", "name")]
    [InlineData("current_time", """{"kind":"client"}""", "name")]
    public async Task What_a_tool_may_not_be_is_refused_by_name(string name, string body, string field)
    {
        var problem = await RefusedAsync(await PutAsync(name, body), "invalid-value", HttpStatusCode.BadRequest);

        Assert.Contains(field, problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Changes_at_the_same_time_are_a_version_each()
    {
        var all = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => PutAsync("contended", Read)));

        var versions = new List<int>();
        foreach (var answer in all)
        {
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(TestRun.Cancel));
            versions.Add((await answer.Content.ReadFromJsonAsync<Tool>(Json, TestRun.Cancel))!.Version);
            answer.Dispose();
        }

        Assert.Equal(Enumerable.Range(1, 8), versions.Order());
    }

    [Fact]
    public async Task A_tool_of_an_mcp_server_is_shown_as_it_was_set()
    {
        using var put = await PutAsync(
            "tickets",
            """{"kind":"mcp","effect":"write","url":"https://mcp.example.com/mcp","remote_name":"create"}"""
        );

        var tool = await put.Content.ReadFromJsonAsync<Tool>(Json, TestRun.Cancel);
        Assert.Equal(("mcp", "https://mcp.example.com/mcp", "create", null), (tool!.Kind, tool.Url, tool.RemoteName, tool.Server));
    }

    [Theory]
    [InlineData("http", "write", null, true)]
    [InlineData("mcp", "write", null, true)]
    [InlineData("http", "write", false, false)]
    [InlineData("mcp", "write", false, false)]
    [InlineData("http", "write_idempotent", null, false)]
    [InlineData("http", "read", null, false)]
    [InlineData("http", "read", true, true)]
    [InlineData("client", "external_wait", null, false)]
    public async Task A_61_what_writes_needs_approval_unless_its_owner_says_otherwise(string kind, string effect, bool? said, bool needed)
    {
        var url = kind == "client" ? "" : ""","url":"https://tools.example.com/a" """;
        var approval = said is { } word ? $",\"needs_approval\":{(word ? "true" : "false")}" : "";

        using var put = await PutAsync("approved", $$"""{"kind":"{{kind}}","effect":"{{effect}}"{{url}}{{approval}}}""");

        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync(TestRun.Cancel));
        var tool = (await api.Http.GetFromJsonAsync<Tool>("/api/v1/tools/approved", Json, TestRun.Cancel))!;
        Assert.Equal(needed, tool.NeedsApproval);
    }

    [Fact]
    public async Task A_62_a_tool_of_another_tenant_is_not_found_and_not_named()
    {
        var other = await api.AddTenantAsync();
        using var put = await PutAsync(api.Client(other), "theirs", Read);
        Assert.Equal(HttpStatusCode.Created, put.StatusCode);

        await RefusedAsync(await SubmitAsync("""["theirs"]"""), "unknown-tool", HttpStatusCode.BadRequest);
        await RefusedAsync(await api.Http.GetAsync("/api/v1/tools/theirs", TestRun.Cancel), "tool-not-found", HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_job_keeps_the_version_it_was_accepted_with_and_a_repeat_is_the_same_job_after_a_change()
    {
        await PutAsync("pinned", Read);
        var job = await SubmitAsync("""["pinned",{"type":"function","function":{"name":"own"}}]""", key: "pin-1");
        Assert.Equal(HttpStatusCode.Accepted, job.StatusCode);
        await PutAsync("pinned", Read.Replace("\"read\"", "\"write\"", StringComparison.Ordinal));
        var again = await SubmitAsync("""["pinned",{"type":"function","function":{"name":"own"}}]""", key: "pin-1");

        var id = (await ApiServer.ReadJobAsync(job)).Id;
        Assert.Equal(id, (await ApiServer.ReadJobAsync(again)).Id);
        var core = await api.WorkerAsync();
        var terms = JobTerms.Read(await core.ScalarAsync<string>("SELECT terms FROM job_payloads WHERE job_id = @id", id));
        Assert.Equal(new PinnedTool("pinned", 1), Assert.Single(terms.Tools!.Pinned));
        Assert.Equal(JobSchema.Terms, await core.ScalarAsync<short>("SELECT schema_version FROM job_payloads WHERE job_id = @id", id));
    }

    [Theory]
    [InlineData("""["current_time","current_time"]""", "", "input.tools[1]")]
    [InlineData("""["no space"]""", "", "input.tools[0]")]
    [InlineData("""[5]""", "", "input.tools[0]")]
    [InlineData("""["current_time"]""", ",\"cache\":\"read_write\"", "cache")]
    [InlineData("""["current_time"]""", ",\"max_tool_calls\":0", "max_tool_calls")]
    [InlineData("""[{"type":"function","function":{"name":"own"}}]""", ",\"max_tool_calls\":5", "max_tool_calls")]
    public async Task Tools_of_a_job_that_cannot_be_are_refused_by_name(string tools, string more, string field)
    {
        var problem = await RefusedAsync(await SubmitAsync(tools, more: more), "invalid-value", HttpStatusCode.BadRequest);

        Assert.Contains(field, problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_clients_result_needs_a_job_that_waits_for_it()
    {
        var job = await api.SubmitAsync();
        const string Result = """{"tool_call_id":"call_1","output":"done"}""";

        await RefusedAsync(await ResultAsync(job.Id, Result), "tool-call-not-found", HttpStatusCode.NotFound);
        await RefusedAsync(await ResultAsync(Guid.CreateVersion7(), Result), "job-not-found", HttpStatusCode.NotFound);
        await RefusedAsync(await ResultAsync(job.Id, """{"tool_call_id":"call_1"}"""), "invalid-value", HttpStatusCode.BadRequest);
        await RefusedAsync(
            await ResultAsync(job.Id, """{"tool_call_id":"call_1","output":"a","error":"b"}"""),
            "invalid-value",
            HttpStatusCode.BadRequest
        );
        var calls = await api.Http.GetFromJsonAsync<JobToolCalls>($"/api/v1/jobs/{job.Id}/tool-calls", Json, TestRun.Cancel);
        Assert.Empty(calls!.Data);
    }

    [Theory]
    [InlineData("tools:read", "GET", true)]
    [InlineData("jobs:write", "GET", false)]
    [InlineData("tools:read", "PUT", false)]
    public async Task Tools_have_scopes_of_their_own(string scope, string method, bool allowed)
    {
        using var client = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, scope));
        using var answer =
            method == "GET" ? await client.GetAsync("/api/v1/tools", TestRun.Cancel) : await PutAsync(client, "scoped", Read);

        Assert.Equal(allowed, answer.IsSuccessStatusCode);
        Assert.True(allowed || answer.StatusCode == HttpStatusCode.Forbidden);
    }

    private static System.Text.Json.JsonSerializerOptions Json => ApiContracts.WireJson.Default.Options;

    private Task<HttpResponseMessage> PutAsync(string name, string body, string? ifMatch = null) => PutAsync(api.Http, name, body, ifMatch);

    private static Task<HttpResponseMessage> PutAsync(HttpClient http, string name, string body, string? ifMatch = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Put, $"/api/v1/tools/{Uri.EscapeDataString(name)}")
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        if (ifMatch is not null)
        {
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        }

        return http.SendAsync(request, TestRun.Cancel);
    }

    private Task<HttpResponseMessage> SubmitAsync(string tools, string? key = null, string more = "") =>
        api.PostAsync(
            $$$"""{"type":"chat","input":{"messages":[{"role":"user","content":"Hello"}],"tools":{{{tools}}}}{{{more}}}}""",
            key is null ? [] : [("Idempotency-Key", key)]
        );

    private Task<HttpResponseMessage> ResultAsync(Guid id, string body) =>
        api.Http.PostAsync($"/api/v1/jobs/{id}/tool-results", new StringContent(body, Encoding.UTF8, "application/json"), TestRun.Cancel);

    private static async Task<string> RefusedAsync(HttpResponseMessage answer, string type, HttpStatusCode status)
    {
        var text = await answer.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(answer.StatusCode == status, $"{(int)answer.StatusCode}: {text}");
        Assert.Contains($"/problems/{type}\"", text, StringComparison.Ordinal);
        return text;
    }
}
