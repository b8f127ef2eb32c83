using System.Net;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Operations;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Api;

/// <summary>A line that takes too long, by how fast a worker ends jobs: new ones are refused although few enough wait.</summary>
public sealed class WaitCapTests(PostgresServer postgres, SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    /// <summary>At two a second, and fewer on a slow machine, far more than <see cref="Most"/> seconds of work.</summary>
    private const int Heap = 100;

    private const int Most = 5;

    [Fact]
    public async Task I_14_everybody_is_refused_while_a_new_job_would_wait_for_longer_than_max_wait()
    {
        var redis = new RedisServer();
        await using var api = new WaitCappedApi(postgres, redis, "MaxWait");
        await api.InitializeAsync();
        await using var worker = await StartAsync(api, redis);
        var other = api.Client(await api.AddTenantAsync());

        await HeapUpAsync(api);
        var capacity = await UntilMeasuredAsync(api);

        Assert.Equal("max_wait", capacity.Refusing);
        Assert.InRange(capacity.EndedPerSecond!.Value, 0.01, 3);
        foreach (var http in (HttpClient[])[api.Http, other])
        {
            using var refused = await PostAsync(http);
            await AssertRefusedAsync(refused, HttpStatusCode.ServiceUnavailable, "queue_full", "A new job would wait for", "(max_wait)");
        }

        // Nothing waits any more, however slowly jobs ended.
        await worker.ExecuteAsync("UPDATE jobs SET status = 9, finished_at = now() WHERE status = 1", Guid.Empty);
        await Eventually.TrueAsync(
            async _ =>
            {
                using var accepted = await PostAsync(other);
                return accepted.StatusCode == HttpStatusCode.Accepted;
            },
            "there is room again"
        );
    }

    [Fact]
    public async Task I_14_a_tenant_whose_own_jobs_would_wait_for_too_long_is_refused_and_no_other()
    {
        var redis = new RedisServer();
        await using var api = new WaitCappedApi(postgres, redis, "MaxWaitPerTenant");
        await api.InitializeAsync();
        await using var worker = await StartAsync(api, redis);
        var other = api.Client(await api.AddTenantAsync());

        await HeapUpAsync(api);
        var capacity = await UntilMeasuredAsync(api);

        Assert.Null(capacity.Refusing);
        using var refused = await PostAsync(api.Http);
        await AssertRefusedAsync(
            refused,
            HttpStatusCode.TooManyRequests,
            "tenant_queue_full",
            "A new job of this tenant would wait for",
            "(max_wait_per_tenant)"
        );
        using var accepted = await PostAsync(other);
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
    }

    /// <summary>One that ends two jobs a second at most.</summary>
    private async Task<CoreHost> StartAsync(ApiServer api, RedisServer redis) =>
        await WorkerUnderTest.StartAsync(
            api.Db,
            redis,
            [(simulator.Address, await simulator.ModelAsync(new { words = 2, ttft_ms = 1000 }))],
            [("Worker:MaxConcurrentJobs", "2")]
        );

    private static async Task HeapUpAsync(ApiServer api)
    {
        for (var i = 0; i < Heap; i++)
        {
            // As long as nobody knows how fast jobs end, nobody is refused for it; on a slow machine that may be known before all have come.
            using var answer = await PostAsync(api.Http);
            if (answer.StatusCode != HttpStatusCode.Accepted)
            {
                return;
            }
        }
    }

    /// <summary>Workers say every few seconds how many they have ended, and a few seconds tell nothing.</summary>
    private static async Task<QueueCapacityInfo> UntilMeasuredAsync(ApiServer api) =>
        await Eventually.GetAsync(
            async token => (await api.Http.GetFromJsonAsync("/api/v1/queues", WireJson.Default.QueueList, token))!.Capacity!,
            capacity => capacity.ExpectedWaitSeconds > Most,
            "it is known how long a new job would wait",
            TimeSpan.FromSeconds(30)
        );

    private static Task<HttpResponseMessage> PostAsync(HttpClient http) =>
        ApiServer.PostAsync(http, System.Text.Encoding.UTF8.GetBytes(ApiServer.Chat));

    private static async Task AssertRefusedAsync(
        HttpResponseMessage refused,
        HttpStatusCode status,
        string code,
        string begin,
        string limit
    )
    {
        Assert.Equal(status, refused.StatusCode);
        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal(code, problem.Code);
        Assert.StartsWith(begin, problem.Detail, StringComparison.Ordinal);
        Assert.Contains($"{Most} s are the most {limit}", problem.Detail, StringComparison.Ordinal);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 90);
        Assert.NotNull(problem.RetryAfter);
    }

    private sealed class WaitCappedApi(PostgresServer postgres, RedisServer redis, string limit) : ApiServer(postgres, redis)
    {
        protected override IEnumerable<(string Name, string Value)> Settings => [($"Backpressure:{limit}", $"00:00:0{Most}")];
    }
}
