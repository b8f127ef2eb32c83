using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Operations;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Outlook;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Admission;

/// <summary>A job whose provider is at its limit waits and says so; it is not failed, and the provider never says no.</summary>
public sealed class LimitedJobTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const int Limit = 6;
    private const int Jobs = 20;

    [Fact]
    public async Task P_14_jobs_beyond_a_limit_wait_with_their_reason_and_all_complete_without_a_refused_call()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, model, ("Admission:Window", "00:00:03"));
        for (var i = 0; i < Jobs; i++)
        {
            await worker.SubmitAsync();
        }

        await Eventually.TrueAsync(
            async _ =>
                await worker.ScalarAsync<long>(
                    "SELECT count(*) FROM jobs WHERE status = 5 AND waiting_reason LIKE 'rate_limit:p0/%:requests_per_minute'"
                ) > 0,
            "some wait for the limit and say so"
        );
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 6") == Jobs,
            "all are done",
            TimeSpan.FromSeconds(60)
        );

        var calls = await simulator.CallsAsync(model, TestRun.Cancel);
        Assert.Equal(Jobs, calls.Count);
        // Nobody lost a try by waiting.
        Assert.Equal(1, await worker.ScalarAsync<int>("SELECT max(attempt - excused) FROM jobs"));
        Assert.Equal(Jobs, await worker.ScalarAsync<long>("SELECT count(*) FROM job_attempts WHERE outcome = 1"));
    }

    [Fact]
    public async Task P_13_another_tenant_s_job_is_done_long_before_the_heap_of_work_that_came_first()
    {
        const int Heap = 60;
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, model, ("Admission:Window", "00:00:03"));
        for (var i = 0; i < Heap; i++)
        {
            await worker.SubmitAsync();
        }

        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 5") >= Heap * 2 / 3,
            "most of them have their turn"
        );
        var other = CoreHost.Draft() with { TenantId = Guid.CreateVersion7() };
        await worker.ExecuteAsync("INSERT INTO tenants (id, slug) VALUES (@id, 'other')", other.TenantId);
        await worker.SubmitAsync(other);

        await Eventually.TrueAsync(
            async _ => await worker.StatusAsync(other.Id) == JobStatus.Completed,
            "it is done",
            TimeSpan.FromSeconds(30)
        );

        Assert.InRange(await worker.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status < 6"), 5, Heap);
    }

    [Fact]
    public async Task A_waiting_job_tells_its_caller_why_and_until_when()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, model);
        for (var i = 0; i <= Limit; i++)
        {
            await worker.SubmitAsync();
        }

        var waiting = await Eventually.GetAsync(
            async _ => await worker.ScalarAsync<string>("SELECT coalesce(min(id::text), '') FROM jobs WHERE status = 5"),
            id => id.Length > 0,
            "one waits"
        );
        var job = (await worker.Reads.FindAsync(ApiKeyStore.DefaultTenant, Guid.Parse(waiting), TestRun.Cancel))!;

        Assert.Equal(("retrying", $"rate_limit:p0/{model}:requests_per_minute"), (job.Status, job.Queue!.WaitingReason));
        Assert.Equal(("provider_limit_reached", true), (job.Error!.Code, job.Error.Retryable));
        Assert.True(
            await worker.ScalarAsync<bool>(
                "SELECT bool_and((limited_since IS NOT NULL) = (status = 5) AND (limited_since IS NULL OR limited_since >= started_at)) FROM jobs"
            )
        );
        Assert.InRange(job.NextAttemptAt!.Value - job.CreatedAt, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(90));
        // The others may still be on their way.
        await Eventually.TrueAsync(async token => (await simulator.CallsAsync(model, token)).Count == Limit, "all that may have asked");
    }

    [Fact]
    public async Task A_job_that_comes_to_a_line_is_told_its_place_and_its_time_and_how_true_that_was_is_known_in_the_end()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, model, ("Admission:Window", "00:00:04"));
        for (var i = 0; i < Jobs; i++)
        {
            await worker.SubmitAsync();
        }

        await Eventually.TrueAsync(
            async _ => worker.Get<LineOutlook>().Foresee(CoreHost.Draft()).Place is not null,
            "the worker knows who waits"
        );
        var told = await worker.SubmitAsync();
        var waits = await Eventually.GetAsync(
            async _ =>
                (await worker.EventsAsync(told)).FirstOrDefault(each => each.Data.Contains("retrying", StringComparison.Ordinal)).Data,
            waits => waits is not null,
            "it was told to wait"
        );
        var state = JsonSerializer.Deserialize(waits!, WireJson.Default.StateEvent)!;

        Assert.Equal($"rate_limit:p0/{model}:requests_per_minute", state.WaitingReason);
        Assert.InRange(state.Position!.Value, 1, Jobs);
        Assert.InRange(state.EtaP50!.Value, 0.05, state.EtaP90!.Value);
        await Eventually.TrueAsync(
            async _ => await worker.StatusAsync(told) == JobStatus.Completed,
            "it is done",
            TimeSpan.FromSeconds(60)
        );
        Assert.True(
            await worker.ScalarAsync<bool>(
                "SELECT began_at = (SELECT started_at FROM job_attempts WHERE job_id = id AND outcome = 1) AND eta_p50 > 0 FROM jobs WHERE id = @id",
                told
            )
        );
        var stats = new StatsReads(worker.Database, worker.Get<QueuePools>(), TimeProvider.System);
        Assert.True((await stats.ReadAsync(TimeSpan.FromMinutes(15), TestRun.Cancel)).Calibration is { Count: > 0 });
    }

    [Fact]
    public async Task Jobs_go_on_as_soon_as_calls_have_used_less_than_was_reserved_for_them()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            // Room for three at what is reserved for a call of which nothing is known, and for all at what they use.
            [("AIBACKEND_PROVIDERS:0:TOKENS_PER_MINUTE", "1600"), ("Admission:Patience", "00:00:00")]
        );
        for (var i = 0; i < Jobs; i++)
        {
            await worker.SubmitAsync();
        }

        // By their turns alone the last one would come after six minutes.
        await Eventually.TrueAsync(
            async _ => await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 6") == Jobs,
            "all are done",
            TimeSpan.FromSeconds(50)
        );

        Assert.True(await worker.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE excused > 0") > 0, "some had to wait");
    }

    [Fact]
    public async Task A_route_goes_on_to_the_next_provider_when_the_first_is_at_its_limit()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var (first, second) = (await simulator.ModelAsync(new { words = 2 }), await simulator.ModelAsync(new { words = 2 }));
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, first), (simulator.Address, second)],
            [("AIBACKEND_PROVIDERS:0:REQUESTS_PER_MINUTE", "1")]
        );

        Assert.Equal("p0", (await worker.RunJobAsync(CoreHost.Draft())).ServedBy!.Provider);
        var job = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Equal(("p1", "completed"), (job.ServedBy!.Provider, job.Status));
        Assert.Single(await simulator.CallsAsync(first, TestRun.Cancel));
    }

    private Task<CoreHost> StartAsync(TestDatabase database, string model, params IEnumerable<(string, string)> more) =>
        WorkerUnderTest.StartAsync(
            database,
            redis,
            [(simulator.Address, model)],
            [("AIBACKEND_PROVIDERS:0:REQUESTS_PER_MINUTE", $"{Limit}"), .. more]
        );
}
