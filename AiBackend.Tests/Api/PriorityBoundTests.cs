using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.DeadLetters.Bulk;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Api;

/// <summary>Tier and key bound how urgent a job may be.</summary>
public sealed class PriorityBoundTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Interactive =
        """{"type":"chat","priority":"interactive","input":{"messages":[{"role":"user","content":"Hello"}]}}""";

    [Fact]
    public async Task A_tenant_of_a_low_tier_is_told_its_bound_and_gets_it_when_it_asks_for_none()
    {
        var tenant = Guid.CreateVersion7();
        await ExecuteAsync("INSERT INTO tenants (id, slug, tier) VALUES (@id, @id::text, 'free')", tenant);
        var http = api.Client(await api.AddKeyAsync(tenant, "*"));

        var problem = await RefusalAsync(http);
        var priority = await AcceptAsync(http);

        Assert.Contains("the tier 'free' allows standard at most", problem, StringComparison.Ordinal);
        Assert.Equal("standard", priority);
    }

    [Fact]
    public async Task A_key_may_be_held_lower_than_its_tier()
    {
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        await ExecuteAsync(
            $"UPDATE api_keys SET highest_priority = 2 WHERE key_id = '{ApiKey.TryParse(key)!.Id}' AND tenant_id = @id",
            ApiKeyStore.DefaultTenant
        );
        var http = api.Client(key);

        var problem = await RefusalAsync(http);
        var priority = await AcceptAsync(http);

        Assert.Contains($"the key {ApiKey.TryParse(key)!.Id} allows batch at most", problem, StringComparison.Ordinal);
        Assert.Equal("batch", priority);
    }

    [Fact]
    public async Task A_replay_asks_for_the_priority_of_its_job_and_is_held_to_the_same_bounds()
    {
        var job = await api.SubmitAsync(Interactive);
        var running = await (await api.WorkerAsync()).ClaimAsync(job.Id);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("text")));
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        await ExecuteAsync(
            $"UPDATE api_keys SET highest_priority = 1 WHERE key_id = '{ApiKey.TryParse(key)!.Id}' AND tenant_id = @id",
            ApiKeyStore.DefaultTenant
        );

        using var refused = await api.Client(key).PostAsync($"/api/v1/jobs/{job.Id}/replay", null, TestRun.Cancel);
        using var accepted = await api.Http.PostAsync($"/api/v1/jobs/{job.Id}/replay", null, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Contains("allows standard at most", (await ApiServer.ReadProblemAsync(refused)).Detail, StringComparison.Ordinal);
        Assert.Equal("interactive", (await ApiServer.ReadJobAsync(accepted)).Priority);
    }

    [Fact]
    public async Task Jobs_that_are_replayed_in_bulk_are_no_more_urgent_than_the_key_may_ask_for()
    {
        var core = await api.WorkerAsync();
        var urgent = await core.DieAsync(draft: CoreHost.Draft() with { Priority = JobPriority.Interactive });
        var patient = await core.DieAsync(draft: CoreHost.Draft() with { Priority = JobPriority.Batch });
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        await ExecuteAsync(
            $"UPDATE api_keys SET highest_priority = 1 WHERE key_id = '{ApiKey.TryParse(key)!.Id}' AND tenant_id = @id",
            ApiKeyStore.DefaultTenant
        );

        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/dead-letters/replay");
        request.Headers.Add("Idempotency-Key", $"{Guid.CreateVersion7():N}");
        request.Content = new StringContent($$"""{"ids":["{{urgent}}","{{patient}}"],"canary":false}""", Encoding.UTF8, "application/json");
        using var begun = await api.Client(key).SendAsync(request, TestRun.Cancel);
        Assert.Equal(HttpStatusCode.Accepted, begun.StatusCode);
        await core.Get<RunBulkActions>().RunAsync(TestRun.Cancel);

        Assert.Equal((1, 2), (await PriorityOfReplayAsync(urgent), await PriorityOfReplayAsync(patient)));

        Task<int> PriorityOfReplayAsync(Guid old) =>
            core.ScalarAsync<int>("SELECT priority FROM jobs j JOIN job_payloads p ON p.job_id = j.id WHERE p.replay_of = @id", old);
    }

    private static async Task<string> RefusalAsync(HttpClient http)
    {
        using var response = await PostAsync(http, Interactive);
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("priority_too_high", problem.Code);
        return problem.Detail!;
    }

    /// <returns>The priority that the job has got.</returns>
    private static async Task<string> AcceptAsync(HttpClient http)
    {
        using var response = await PostAsync(http, ApiServer.Chat);
        var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        return JsonSerializer.Deserialize(body, WireJson.Default.Job)!.Priority;
    }

    private static Task<HttpResponseMessage> PostAsync(HttpClient http, string body) =>
        http.PostAsync("/api/v1/jobs", new StringContent(body, Encoding.UTF8, "application/json"), TestRun.Cancel);

    private async Task ExecuteAsync(string sql, Guid id)
    {
        await using var source = NpgsqlDataSource.Create(api.Db.ConnectionString);
#pragma warning disable CA2100 // Constants of this test.
        await using var command = source.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("id", id);
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }
}
