using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Controls.Caps;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>Too much waits: new jobs are refused at once, and nothing that was accepted is lost.</summary>
public sealed class QueueCapTests(PostgresServer postgres) : IAsyncLifetime
{
    private const int Most = 50;
    private const int MostOfTenant = 20;

    private readonly CappedApi _api = new(postgres);

    public ValueTask InitializeAsync() => _api.InitializeAsync();

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task I_14_a_burst_is_let_in_up_to_the_tenants_limit_and_no_job_more_and_the_rest_is_refused_at_once()
    {
        await UntilCountedAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 4 * MostOfTenant).Select(_ => TimedAsync(_api.Http)));

        var refused = answers.Where(answer => answer.Status == HttpStatusCode.TooManyRequests).ToList();
        Assert.InRange(answers.Count(answer => answer.Status == HttpStatusCode.Accepted), 1, MostOfTenant);
        Assert.Equal(answers.Length - await CountAsync(), refused.Count);
        await UntilFullAsync(MostOfTenant, _api.Http);
        Assert.All(refused, answer => Assert.InRange(answer.RetryAfter!.Value.TotalSeconds, 1, 90));
        // The fastest of some that come one by one: those of the burst share this machine with their callers and other tests.
        var alone = new List<TimeSpan>();
        while (alone.Count < 10)
        {
            alone.Add((await TimedAsync(_api.Http)).Took);
        }

        Assert.InRange(alone.Min(), TimeSpan.Zero, TimeSpan.FromMilliseconds(100));

        var problem = await Eventually.GetAsync(
            async _ =>
            {
                using var again = await _api.PostAsync(ApiServer.Chat);
                return await ApiServer.ReadProblemAsync(again);
            },
            told => told.Detail.Contains("20 jobs of this tenant wait, and 20 may (max_queued_per_tenant)", StringComparison.Ordinal),
            "it is told how many wait"
        );
        Assert.Equal("tenant_queue_full", problem.Code);
        Assert.NotNull(problem.RetryAfter);
    }

    [Fact]
    public async Task L_4_every_tenant_is_refused_when_all_together_reach_the_limit_and_operators_see_it()
    {
        await UntilCountedAsync();
        var tenants = new List<HttpClient>();
        for (var i = 0; i < 4; i++)
        {
            tenants.Add(_api.Client(await _api.AddTenantAsync()));
        }

        var answers = await Task.WhenAll(tenants.SelectMany(tenant => Enumerable.Range(0, MostOfTenant).Select(_ => TimedAsync(tenant))));

        Assert.InRange(answers.Count(answer => answer.Status == HttpStatusCode.Accepted), 1, Most);
        await UntilFullAsync(Most, [.. tenants]);
        var problem = await Eventually.GetAsync(
            async _ =>
            {
                using var refused = await _api.PostAsync(ApiServer.Chat);
                Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
                return await ApiServer.ReadProblemAsync(refused);
            },
            told => told.Detail.Contains("50 jobs wait here, and 50 may (max_queued)", StringComparison.Ordinal),
            "it is told how many wait"
        );
        Assert.Equal("queue_full", problem.Code);
        var list = (await _api.Http.GetFromJsonAsync("/api/v1/queues", WireJson.Default.QueueList, TestRun.Cancel))!;
        Assert.Equal((50L, 50L, "max_queued"), (list.Capacity!.Waiting, list.Capacity.MaxQueued, list.Capacity.Refusing));
        Assert.Equal(Most, await CountAsync());
    }

    [Fact]
    public async Task I_3_a_repeat_of_an_accepted_job_is_answered_also_when_nothing_more_may_wait()
    {
        await UntilCountedAsync();
        var job = await _api.SubmitAsync(ApiServer.Chat, ("Idempotency-Key", "k"));
        await UntilFullAsync(MostOfTenant, _api.Http);
        using var refused = await _api.PostAsync(ApiServer.Chat, ("Idempotency-Key", "other"));
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);

        Assert.Equal(job.Id, (await _api.SubmitAsync(ApiServer.Chat, ("Idempotency-Key", "k"))).Id);
    }

    [Fact]
    public async Task A_full_queue_uses_up_nothing_of_what_a_key_may_ask_for()
    {
        await UntilCountedAsync();
        await UntilFullAsync(MostOfTenant, _api.Http);
        var few = JsonElement.Parse("""{"limits":{"requests_per_minute":2},"name":"few","scopes":["jobs:write"]}""");
        using var made = await _api.Http.PostAsJsonAsync("/api/v1/keys", few, TestRun.Cancel);
        var key = JsonElement.Parse(await made.Content.ReadAsStringAsync(TestRun.Cancel)).GetProperty("value").GetString();

        for (var i = 0; i < 4; i++)
        {
            using var refused = await ApiServer.PostAsync(_api.Client(key), System.Text.Encoding.UTF8.GetBytes(ApiServer.Chat));
            Assert.Equal("tenant_queue_full", (await ApiServer.ReadProblemAsync(refused)).Code);
        }
    }

    [Fact]
    public async Task There_is_room_again_when_jobs_have_ended_and_a_tenant_may_have_a_limit_of_its_own()
    {
        await UntilCountedAsync();
        await UntilFullAsync(MostOfTenant, _api.Http);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await TimedAsync(_api.Http)).Status);

        await ExecuteAsync("UPDATE jobs SET status = 9, finished_at = now()");
        await Eventually.TrueAsync(async _ => (await TimedAsync(_api.Http)).Status == HttpStatusCode.Accepted, "there is room");

        await ExecuteAsync("UPDATE tenants SET max_queued = 1");
        await Eventually.TrueAsync(
            async _ => (await TimedAsync(_api.Http)).Status == HttpStatusCode.TooManyRequests,
            "its own limit holds"
        );
    }

    /// <summary>
    /// Asks until as many wait as may, and no job more: what is let in while the server counts its jobs counts twice, until it counts them again a second
    /// later.
    /// </summary>
    private async Task UntilFullAsync(int most, params HttpClient[] tenants)
    {
        await Eventually.TrueAsync(
            async _ =>
            {
                if (await CountAsync() < most)
                {
                    await Task.WhenAll(tenants.SelectMany(tenant => Enumerable.Range(0, MostOfTenant).Select(_ => TimedAsync(tenant))));
                }

                return await CountAsync() >= most;
            },
            "as many wait as may"
        );
        Assert.Equal(most, await CountAsync());
    }

    private Task<QueueCapacity> UntilCountedAsync() => _api.Get<QueueCaps>().DescribeAsync();

    private static async Task<(HttpStatusCode Status, TimeSpan Took, TimeSpan? RetryAfter)> TimedAsync(HttpClient http)
    {
        var began = TimeProvider.System.GetTimestamp();
        using var response = await ApiServer.PostAsync(http, System.Text.Encoding.UTF8.GetBytes(ApiServer.Chat));
        return (response.StatusCode, TimeProvider.System.GetElapsedTime(began), response.Headers.RetryAfter?.Delta);
    }

    private async Task<long> CountAsync()
    {
        await using var command = _api.Db.Source.CreateCommand("SELECT count(*) FROM jobs");
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private async Task ExecuteAsync(string sql)
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = _api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }

    private sealed class CappedApi(PostgresServer postgres) : ApiServer(postgres)
    {
        protected override IEnumerable<(string Name, string Value)> Settings =>
            [("Backpressure:MaxQueued", "50"), ("Backpressure:MaxQueuedPerTenant", "20")];
    }
}
