using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.DeadLetters.Bulk;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Api;

/// <summary>Bulk actions over HTTP.</summary>
public sealed class BulkApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task A_replay_by_filter_takes_what_matches_and_tells_how_far_it_is()
    {
        var tenant = await TenantAsync();
        var dead = new[] { await DieAsync(tenant.Id), await DieAsync(tenant.Id) };
        await DieAsync(tenant.Id, "provider_unavailable");

        using var response = await PostAsync(
            tenant.Http,
            "replay",
            """{"filter":{"code":"provider_timeout"},"model":"sim","rate":100,"canary":false}"""
        );
        var begun = await ReadAsync(response, WireJson.Default.BulkAction);
        var done = await Eventually.GetAsync(
            async _ =>
            {
                await (await api.WorkerAsync()).Get<RunBulkActions>().RunAsync(TestRun.Cancel);
                using var answer = await tenant.Http.GetAsync(response.Headers.Location, TestRun.Cancel);
                return await ReadAsync(answer, WireJson.Default.BulkAction);
            },
            action => action.HasEnded,
            "the action ends"
        );

        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        Assert.Equal(
            ("replay", "running", 2L, 2L, false, 100),
            (begun.Kind, begun.Status, begun.Total, begun.Waiting, begun.Canary, begun.Rate)
        );
        Assert.Equal("provider_timeout", begun.Filter!.Code);
        Assert.Equal(("completed", 2L, "sim", 2L), (done.Status, done.Done, done.Model, done.Outcomes!.Running));
        Assert.Equal(
            2,
            await (await api.WorkerAsync()).ScalarAsync<int>(
                $"SELECT count(*) FROM job_payloads p JOIN jobs j ON j.id = p.job_id WHERE p.replay_of IN ('{dead[0]}', '{dead[1]}') AND j.model = 'sim'"
            )
        );
        using var list = await tenant.Http.GetAsync("/api/v1/bulk", TestRun.Cancel);
        Assert.Equal([begun.Id], (await ReadAsync(list, WireJson.Default.BulkActionList)).Data.Select(action => action.Id));
    }

    [Fact]
    public async Task By_ids_only_open_letters_of_the_tenant_are_taken()
    {
        var tenant = await TenantAsync();
        var (mine, discarded) = (await DieAsync(tenant.Id), await DieAsync(tenant.Id));
        var foreign = await DieAsync((await TenantAsync()).Id);
        using var gone = await tenant.Http.PostAsync($"/api/v1/jobs/{discarded}/discard", null, TestRun.Cancel);

        using var response = await PostAsync(
            tenant.Http,
            "discard",
            $$"""{"ids":["{{mine}}","{{discarded}}","{{foreign}}","{{Guid.CreateVersion7()}}"]}"""
        );

        Assert.Equal(1, (await ReadAsync(response, WireJson.Default.BulkAction)).Total);
    }

    [Theory]
    [InlineData("replay")]
    [InlineData("discard")]
    public async Task A_dry_run_begins_nothing(string kind)
    {
        var tenant = await TenantAsync();
        await DieAsync(tenant.Id);

        using var response = await PostAsync(tenant.Http, kind, """{"filter":{},"dry_run":true}""");

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(new BulkPreview(1, 0, 0, 0, 0, null), await ReadAsync(response, WireJson.Default.BulkPreview));
        Assert.Equal("""{"data":[]}""", await tenant.Http.GetStringAsync("/api/v1/bulk", TestRun.Cancel));
    }

    [Fact]
    public async Task Fifty_parallel_requests_of_one_key_begin_one_action()
    {
        var tenant = await TenantAsync();
        await DieAsync(tenant.Id);

        var answers = await Task.WhenAll(
            Enumerable.Range(0, 50).Select(_ => PostAsync(tenant.Http, "replay", """{"filter":{}}""", ("Idempotency-Key", "k")))
        );
        using var other = await PostAsync(tenant.Http, "replay", """{"filter":{},"rate":1}""", ("Idempotency-Key", "k"));

        var actions = await Task.WhenAll(answers.Select(answer => ReadAsync(answer, WireJson.Default.BulkAction)));
        Assert.Single(actions.Select(action => action.Id).Distinct());
        Assert.Equal(49, answers.Count(answer => answer.Headers.Contains("Idempotent-Replayed")));
        Assert.Equal("/problems/idempotency-key-reused", (await ApiServer.ReadProblemAsync(other)).Type);
        Array.ForEach(answers, answer => answer.Dispose());
    }

    [Theory]
    [InlineData("replay", "{}", "invalid-value", "Neither filter nor ids")]
    [InlineData("replay", """{"filter":{},"ids":[]}""", "invalid-value", "Both filter and ids")]
    [InlineData("replay", """{"ids":[]}""", "invalid-value", "ids has 0 ids")]
    [InlineData("replay", """{"ids":["x"]}""", "invalid-value", "ids[0] must be an id")]
    [InlineData("replay", """{"filter":{},"rate":0}""", "invalid-value", "rate is 0; it must be from 1 to 100")]
    [InlineData("replay", """{"filter":{},"rate":101}""", "invalid-value", "rate is 101")]
    [InlineData("replay", """{"filter":{},"canary":"yes"}""", "invalid-value", "canary must be true or false")]
    [InlineData("replay", """{"filter":{},"model":"gpt-none"}""", "unknown-model", "\"gpt-none\"")]
    [InlineData("replay", """{"filter":{},"model":""}""", "invalid-value", "model is empty")]
    [InlineData("replay", """{"filter":{"colour":"red"}}""", "unknown-member", "fingerprint, class, code, model, since, before")]
    [InlineData("replay", """{"filter":{"since":"now"}}""", "invalid-value", "filter.since must be a time")]
    [InlineData(
        "replay",
        """{"filter":{"since":"2030-01-02T00:00:00Z","before":"2030-01-01T00:00:00Z"}}""",
        "invalid-value",
        "filter.before"
    )]
    [InlineData("discard", """{"filter":{"code":""}}""", "invalid-value", "filter.code is empty")]
    [InlineData("discard", """{"filter":{},"rate":1}""", "unknown-member", "filter, ids, dry_run")]
    [InlineData("discard", "", "invalid-json", "empty")]
    public async Task A_bad_body_is_refused_with_value_and_remedy(string kind, string body, string problem, string named)
    {
        using var response = await PostAsync(api.Http, kind, body);

        var refusal = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/" + problem, refusal.Type);
        Assert.Contains(named, refusal.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_action_is_cancelled_once()
    {
        var tenant = await TenantAsync();
        await DieAsync(tenant.Id);
        using var begun = await PostAsync(tenant.Http, "replay", """{"filter":{}}""");

        using var first = await tenant.Http.PostAsync(begun.Headers.Location + "/cancel", null, TestRun.Cancel);
        using var second = await tenant.Http.PostAsync(begun.Headers.Location + "/cancel", null, TestRun.Cancel);

        Assert.Equal("cancelled", (await ReadAsync(first, WireJson.Default.BulkAction)).Status);
        Assert.Equal("/problems/bulk-ended", (await ApiServer.ReadProblemAsync(second)).Type);
    }

    [Fact]
    public async Task One_action_more_than_may_run_is_refused_with_the_remedy()
    {
        var tenant = await TenantAsync();
        for (var i = 0; i < BeginBulkAction.MaxRunning; i++)
        {
            using var begun = await PostAsync(tenant.Http, "replay", """{"filter":{}}""");
            Assert.Equal(HttpStatusCode.Accepted, begun.StatusCode);
        }

        using var refused = await PostAsync(tenant.Http, "discard", """{"filter":{}}""");

        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal("/problems/too-many-bulk-actions", problem.Type);
        Assert.Contains("20 bulk actions", problem.Detail, StringComparison.Ordinal);
        Assert.Contains("/cancel", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_2_another_tenants_action_is_like_none_and_a_reading_key_begins_nothing()
    {
        var tenant = await TenantAsync();
        await DieAsync(tenant.Id);
        using var begun = await PostAsync(tenant.Http, "replay", """{"filter":{}}""");
        var stranger = api.Client(await api.AddTenantAsync());
        var reader = api.Client(await api.AddKeyAsync(tenant.Id, "jobs:read"));

        using var unknown = await stranger.GetAsync(begun.Headers.Location, TestRun.Cancel);
        using var untouched = await stranger.PostAsync(begun.Headers.Location + "/cancel", null, TestRun.Cancel);
        using var refused = await PostAsync(reader, "discard", """{"filter":{}}""");
        using var read = await reader.GetAsync(begun.Headers.Location, TestRun.Cancel);

        Assert.Equal("/problems/bulk-not-found", (await ApiServer.ReadProblemAsync(unknown)).Type);
        Assert.Equal("/problems/bulk-not-found", (await ApiServer.ReadProblemAsync(untouched)).Type);
        Assert.Equal("/problems/missing-scope", (await ApiServer.ReadProblemAsync(refused)).Type);
        Assert.Equal("running", (await ReadAsync(read, WireJson.Default.BulkAction)).Status);
    }

    private async Task<(Guid Id, HttpClient Http)> TenantAsync()
    {
        var key = await api.AddTenantAsync();
        var caller = await api.Get<ApiKeyStore>().FindCallerAsync(key, TestRun.Cancel);
        return (caller!.TenantId, api.Client(key));
    }

    private async Task<Guid> DieAsync(Guid tenantId, string code = "provider_timeout") =>
        await (await api.WorkerAsync()).DieAsync(Dying.Timeout with { Code = code }, CoreHost.Draft() with { TenantId = tenantId });

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) =>
        JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(TestRun.Cancel), type)!;

    private static async Task<HttpResponseMessage> PostAsync(
        HttpClient http,
        string kind,
        string body,
        params (string Name, string Value)[] headers
    )
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/dead-letters/{kind}")
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await http.SendAsync(request, TestRun.Cancel);
    }
}
