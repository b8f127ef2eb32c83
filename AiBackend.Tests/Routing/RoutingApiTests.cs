using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Providers;
using AiBackend.Core.Routing;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Routing;

/// <summary>Routes, deployments and keys over the API: versions, conflicts, bad input, secrets.</summary>
public sealed class RoutingApiTests(PostgresServer postgres) : IAsyncLifetime
{
    private const string ToSim = """{"targets":[{"provider":"simulator","model":"sim"}]}""";

    private readonly ApiServer _api = new HastelessApi(postgres);

    public ValueTask InitializeAsync() => _api.InitializeAsync();

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task Without_any_change_there_is_the_configured_route_and_the_configured_deployment()
    {
        var route = Assert.Single((await GetAsync("routes", WireJson.Default.RouteList)).Data);
        Assert.Equal(("default", 0, "configuration", "sim"), (route.Name, route.Version, route.Source, Assert.Single(route.Targets).Model));

        var deployment = Assert.Single((await GetAsync("deployments", WireJson.Default.DeploymentList)).Data);
        Assert.Equal(
            ("simulator", "sim", 0, "configuration", "none"),
            (deployment.Provider, deployment.Model, deployment.Version, deployment.Source, deployment.Credential)
        );
        Assert.Equal(60, deployment.Timeouts.FirstTokenSeconds);
    }

    [Fact]
    public async Task A_route_is_known_to_jobs_as_soon_as_it_was_made_and_unknown_when_it_is_gone()
    {
        await RefusedJobAsync("support");

        using var made = await SendAsync(HttpMethod.Put, "routes/support", ToSim);
        Assert.Equal((HttpStatusCode.Created, "\"1\""), (made.StatusCode, made.Headers.ETag!.Tag));
        Assert.Equal("support", (await _api.SubmitAsync(JobFor("support"))).Model);

        using var gone = await SendAsync(HttpMethod.Delete, "routes/support");
        Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        await RefusedJobAsync("support");
    }

    [Fact]
    public async Task A_route_made_on_another_node_is_known_here_at_the_first_job()
    {
        // As another node would: past this process.
        await _api.Get<RoutingStore>().AddAsync(RoutingKind.Route, "elsewhere", ToSim, null, "k", TestRun.Cancel);

        Assert.Equal("elsewhere", (await _api.SubmitAsync(JobFor("elsewhere"))).Model);
    }

    [Fact]
    public async Task A_version_that_this_build_cannot_read_is_passed_over_and_the_rest_holds()
    {
        var store = _api.Get<RoutingStore>();
        await store.AddAsync(RoutingKind.Route, "odd", """{"targets":"all of them"}""", null, "k", TestRun.Cancel);
        await store.AddAsync(RoutingKind.Route, "empty", "{}", null, "k", TestRun.Cancel);
        await store.AddAsync(RoutingKind.Route, "good", ToSim, null, "k", TestRun.Cancel);

        Assert.Equal("good", (await _api.SubmitAsync(JobFor("good"))).Model);
        await RefusedJobAsync("odd");
        await RefusedJobAsync("empty");
    }

    [Fact]
    public async Task Every_change_is_a_version_that_stays_readable()
    {
        using var _ = await SendAsync(
            HttpMethod.Put,
            "routes/r",
            """{"description":"one","targets":[{"provider":"simulator","model":"sim"}]}"""
        );
        using var second = await SendAsync(
            HttpMethod.Put,
            "routes/r",
            """{"description":"two","targets":[{"provider":"simulator","model":"sim-b"}]}"""
        );
        Assert.Equal((HttpStatusCode.OK, "\"2\""), (second.StatusCode, second.Headers.ETag!.Tag));
        using var __ = await SendAsync(HttpMethod.Delete, "routes/r");

        var versions = (await GetAsync("routes/r?versions=true", WireJson.Default.RouteList)).Data;

        Assert.Equal(
            ["3 True ", "2 False two", "1 False one"],
            versions.Select(route => $"{route.Version} {route.Deleted} {route.Description}")
        );
        Assert.All(versions, route => Assert.False(string.IsNullOrEmpty(route.CreatedBy)));
        using var gone = await _api.Http.GetAsync("/api/v1/routes/r", TestRun.Cancel);
        Assert.Equal("route_not_found", (await ApiServer.ReadProblemAsync(gone)).Code);
    }

    [Fact]
    public async Task A_change_that_was_decided_on_an_older_version_is_refused()
    {
        using var _ = await SendAsync(HttpMethod.Put, "routes/r", ToSim);
        using var __ = await SendAsync(HttpMethod.Put, "routes/r", ToSim, "\"1\"");

        using var stale = await SendAsync(HttpMethod.Put, "routes/r", ToSim, "\"1\"");
        using var staleDelete = await SendAsync(HttpMethod.Delete, "routes/r", ifMatch: "\"1\"");

        Assert.Equal(HttpStatusCode.PreconditionFailed, stale.StatusCode);
        Assert.Equal("version_mismatch", (await ApiServer.ReadProblemAsync(stale)).Code);
        Assert.Equal(HttpStatusCode.PreconditionFailed, staleDelete.StatusCode);
        Assert.Equal(2, (await GetAsync("routes/r", WireJson.Default.ModelRoute)).Version);
    }

    [Fact]
    public async Task Of_changes_at_the_same_moment_each_is_a_version_and_none_is_lost()
    {
        const int Changes = 32;
        var answers = await Task.WhenAll(Enumerable.Range(0, Changes).Select(_ => SendAsync(HttpMethod.Put, "routes/r", ToSim)));

        Assert.All(answers, answer => Assert.True(answer.IsSuccessStatusCode, $"{answer.StatusCode}"));
        var versions = (await GetAsync("routes/r?versions=true", WireJson.Default.RouteList)).Data;
        Assert.Equal(Enumerable.Range(1, Changes).Reverse(), versions.Select(route => route.Version));
        Assert.Equal(Changes, await _api.Get<RoutingStore>().RevisionAsync(TestRun.Cancel));
        Array.ForEach(answers, answer => answer.Dispose());
    }

    [Theory]
    [InlineData("""{}""", "targets has 0 targets")]
    [InlineData("""{"targets":[{"provider":"simulator"}]}""", "targets[0] needs a provider and a model")]
    [InlineData("""{"targets":[{"provider":"nobody","model":"m"}]}""", "\"nobody/m\", which is no deployment here")]
    [InlineData(
        """{"targets":[{"provider":"simulator","model":"sim","when":{"seconds_left_below":5}}]}""",
        "leave 'when' out of at least one"
    )]
    [InlineData("""{"requires":["tools"],"targets":[{"provider":"simulator","model":"sim"}]}""", "lacks tools of what the route requires")]
    [InlineData("""{"requires":["Tools!"],"targets":[{"provider":"simulator","model":"sim"}]}""", "requires has \"Tools!\"")]
    [InlineData(
        """{"targets":[{"provider":"simulator","model":"sim","when":{"input_tokens_above":9,"input_tokens_at_most":9}},{"provider":"simulator","model":"sim"}]}""",
        "targets[0].when takes no call"
    )]
    [InlineData(
        """{"targets":[{"provider":"simulator","model":"sim","when":{"priorities":["now"]}},{"provider":"simulator","model":"sim"}]}""",
        "has \"now\"; known are interactive, standard, batch"
    )]
    [InlineData(
        """{"order":"best","targets":[{"provider":"simulator","model":"sim"}]}""",
        "order is \"best\"; it must be one of listed, cheapest"
    )]
    [InlineData("""{"targets":[{"provider":"simulator","model":"sim","url":"http://elsewhere"}]}""", "url")]
    public async Task A_faulty_route_is_refused_with_the_place_and_the_remedy(string body, string says)
    {
        using var refused = await SendAsync(HttpMethod.Put, "routes/r", body);

        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains(says, (await ApiServer.ReadProblemAsync(refused)).Detail, StringComparison.Ordinal);
        Assert.Single((await GetAsync("routes", WireJson.Default.RouteList)).Data);
    }

    [Theory]
    [InlineData("routes/bad%20name", ToSim, "letters, digits")]
    [InlineData("deployments/nobody/m", "{}", "provider is \"nobody\", which is not configured here. Known providers: simulator")]
    [InlineData("deployments/simulator/m", """{"limits":{"requests_per_minute":0}}""", "limits.requests_per_minute is 0")]
    [InlineData("deployments/simulator/m", """{"timeouts":{"total_seconds":0.01}}""", "timeouts.total_seconds is 0.01")]
    [InlineData("deployments/simulator/m", """{"context_tokens":-1}""", "context_tokens is -1")]
    [InlineData("credentials", """{"provider":"nobody","value":"sk-123456789"}""", "provider is \"nobody\"")]
    [InlineData("credentials", """{"provider":"simulator","value":"short"}""", "value is no key")]
    [InlineData("credentials", """{"provider":"simulator","value":"with blank inside"}""", "value is no key")]
    public async Task Other_bad_input_is_refused_with_its_value(string path, string body, string says)
    {
        using var refused = await SendAsync(HttpMethod.Put, path, body);

        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains(says, (await ApiServer.ReadProblemAsync(refused)).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_deployment_changes_while_the_system_runs_and_returns_to_the_configuration()
    {
        using var made = await SendAsync(
            HttpMethod.Put,
            "deployments/simulator/vendor/model-x",
            """{"limits":{"tokens_per_minute":1000},"timeouts":{"idle_seconds":7},"context_tokens":8000,"capabilities":["tools"]}"""
        );
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);

        var deployment = _api.Get<ProviderCatalog>().Find("simulator", "vendor/model-x")!;
        Assert.Equal(
            (1000L, 7.0, 60.0, 8000L),
            (
                deployment.Limits.TokensPerMinute,
                deployment.Timeouts.Idle.TotalSeconds,
                deployment.Timeouts.FirstToken.TotalSeconds,
                deployment.ContextTokens
            )
        );
        Assert.Equal("vendor/model-x", (await _api.SubmitAsync(JobFor("vendor/model-x"))).Model);

        using var _ = await SendAsync(
            HttpMethod.Put,
            "routes/r",
            """{"requires":["tools"],"targets":[{"provider":"simulator","model":"vendor/model-x"}]}"""
        );
        using var inUse = await SendAsync(HttpMethod.Delete, "deployments/simulator/vendor/model-x");
        var problem = await ApiServer.ReadProblemAsync(inUse);
        Assert.Equal(("deployment_in_use", true), (problem.Code, problem.Detail.Contains("routes r.", StringComparison.Ordinal)));

        using var __ = await SendAsync(HttpMethod.Delete, "routes/r");
        using var gone = await SendAsync(HttpMethod.Delete, "deployments/simulator/vendor/model-x");
        Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        Assert.Null(_api.Get<ProviderCatalog>().Find("simulator", "vendor/model-x"));
    }

    [Fact]
    public async Task D_a_provider_key_goes_in_and_is_shown_nowhere()
    {
        const string Secret = "sk-very-secret-value-9876";
        using var set = await SendAsync(HttpMethod.Put, "credentials", $$"""{"provider":"simulator","value":"{{Secret}}" }""");
        Assert.Equal(HttpStatusCode.OK, set.StatusCode);

        string[] shown =
        [
            await set.Content.ReadAsStringAsync(TestRun.Cancel),
            await _api.Http.GetStringAsync("/api/v1/credentials", TestRun.Cancel),
            await _api.Http.GetStringAsync("/api/v1/deployments", TestRun.Cancel),
            await _api.Http.GetStringAsync("/api/v1/deployments/simulator/sim", TestRun.Cancel),
        ];
        Assert.All(shown, text => Assert.DoesNotContain(Secret, text, StringComparison.Ordinal));
        Assert.Contains("\"hint\":\"9876\"", shown[1], StringComparison.Ordinal);
        Assert.Equal("provider", Assert.Single((await GetAsync("deployments", WireJson.Default.DeploymentList)).Data).Credential);
        await using var command = _api.Db.Source.CreateCommand("SELECT position($1::bytea IN sealed) FROM provider_credentials");
        command.Parameters.Add(new() { Value = Encoding.UTF8.GetBytes(Secret) });
        Assert.Equal(0, await command.ExecuteScalarAsync(TestRun.Cancel));

        using var removed = await SendAsync(HttpMethod.Delete, "credentials?provider=simulator");
        using var again = await SendAsync(HttpMethod.Delete, "credentials?provider=simulator");
        using var odd = await SendAsync(HttpMethod.Delete, "credentials?provider=%00");
        Assert.Equal([204, 404, 400], new[] { removed, again, odd }.Select(answer => (int)answer.StatusCode));
    }

    [Fact]
    public async Task Changes_need_the_scope_of_operators()
    {
        var http = _api.Client(await _api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:write", "jobs:read", "operations:read"));
        foreach (var path in new[] { "routes/r", "deployments/simulator/m", "credentials" })
        {
            using var refused = await SendAsync(HttpMethod.Put, path, ToSim, http: http);
            Assert.Equal("missing_scope", (await ApiServer.ReadProblemAsync(refused)).Code);
        }

        Assert.NotEmpty(await http.GetStringAsync("/api/v1/routes", TestRun.Cancel));
    }

    /// <summary>Looks for changes of others only when it has to.</summary>
    private sealed class HastelessApi(PostgresServer postgres) : ApiServer(postgres)
    {
        protected override IEnumerable<(string Name, string Value)> Settings => [("Routing:RefreshEvery", "00:01:00")];
    }

    private static string JobFor(string model) =>
        $$"""{"type":"chat","model":"{{model}}","input":{"messages":[{"role":"user","content":"Hello"}] } }""";

    private async Task RefusedJobAsync(string model)
    {
        using var refused = await _api.PostAsync(JobFor(model));
        Assert.Equal("unknown_model", (await ApiServer.ReadProblemAsync(refused)).Code);
    }

    private async Task<T> GetAsync<T>(string path, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        using var response = await _api.Http.GetAsync($"/api/v1/{path}", TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return JsonSerializer.Deserialize(text, type)!;
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method,
        string path,
        string? body = null,
        string? ifMatch = null,
        HttpClient? http = null
    )
    {
        using var request = new HttpRequestMessage(method, $"/api/v1/{path}");
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        if (ifMatch is not null)
        {
            request.Headers.IfMatch.Add(new EntityTagHeaderValue(ifMatch));
        }

        return await (http ?? _api.Http).SendAsync(request, TestRun.Cancel);
    }
}
