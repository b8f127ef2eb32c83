using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Operations;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Worker;

/// <summary>A job's way is one span per attempt, linked to its submission, and measurements in seconds. Never content.</summary>
public sealed class JobTelemetryTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const string TraceId = "0af7651916cd43dd8448eb211c80319c";

    [Fact]
    public async Task An_attempt_is_a_trace_of_its_own_that_links_to_the_submitting_request()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            (simulator.Address, await simulator.ModelAsync(new { words = 3 }))
        );
        var spans = new ConcurrentQueue<Activity>();
        using var listener = Listen(spans);
        var draft = CoreHost.Draft() with { TraceParent = $"00-{TraceId}-b7ad6b7169203331-01" };

        await worker.RunJobAsync(draft);

        var span = await Eventually.GetAsync(
            _ => Task.FromResult(spans.FirstOrDefault(each => Equals(each.GetTagItem("messaging.message.id"), draft.Id.ToString()))),
            found => found is not null,
            "the attempt's span has ended"
        );
        Assert.Equal((ActivityKind.Consumer, "process chat"), (span!.Kind, span.DisplayName));
        Assert.Equal(TraceId, Assert.Single(span.Links).Context.TraceId.ToHexString());
        Assert.NotEqual(TraceId, span.TraceId.ToHexString());
        Assert.Equal(
            ("succeeded", "completed", 1),
            (
                span.GetTagItem("aibackend.job.attempt.outcome"),
                span.GetTagItem("aibackend.job.status"),
                span.GetTagItem("aibackend.job.attempt")
            )
        );
        var call = Assert.Single(spans, each => each.Source.Name == "AiBackend.Providers" && each.TraceId == span.TraceId);
        Assert.Equal(span.SpanId, call.ParentSpanId);
        Assert.DoesNotContain("Hello", string.Join('\n', span.TagObjects), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_is_measured_from_acceptance_to_its_final_state()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            (simulator.Address, await simulator.ModelAsync(new { words = 3, ttft_ms = 50 }))
        );
        using var measured = new Measurements(worker.Get<IMeterFactory>(), "AiBackend.Jobs");

        await worker.RunJobAsync(CoreHost.Draft());

        await Eventually.TrueAsync(() => measured.Of("aibackend.job.end_to_end").Count == 1, "the end is measured");
        Assert.Equal(1, Assert.Single(measured.Of("aibackend.job.accepted")).Value);
        var wait = Assert.Single(measured.Of("aibackend.job.queue_wait")).Value;
        var firstToken = Assert.Single(measured.Of("aibackend.job.time_to_first_token")).Value;
        var (attempt, outcome) = Assert.Single(measured.Of("aibackend.job.attempt.duration"));
        var (endToEnd, status) = Assert.Single(measured.Of("aibackend.job.end_to_end"));
        Assert.InRange(wait, 0, endToEnd);
        Assert.InRange(firstToken, 0.045, attempt);
        Assert.InRange(endToEnd, attempt, 60);
        Assert.Equal(("succeeded", "chat"), (outcome["aibackend.job.attempt.outcome"], outcome["aibackend.job.type"]));
        Assert.Equal("completed", status["aibackend.job.status"]);
    }

    [Fact]
    public async Task The_queue_is_a_gauge_of_the_process_that_reads_it()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            builder => builder.AddQueueGauges()
        );
        var gauges = core.Get<QueueGauges>();
        using var measured = new Measurements(core.Get<IMeterFactory>(), "AiBackend.Jobs");
        await core.SubmitAsync();
        await core.SubmitAsync(CoreHost.Draft() with { Priority = JobPriority.Batch });

        Assert.Empty(measured.Read("aibackend.job.queue.depth"));
        await gauges.RefreshAsync(TestRun.Cancel);

        Assert.Equal([0, 1, 1], measured.Read("aibackend.job.queue.depth").Select(each => each.Value));
        Assert.Equal(0, Assert.Single(measured.Read("aibackend.job.dead_letters")).Value);
        gauges.Clear();
        Assert.Empty(measured.Read("aibackend.job.queue.depth"));
    }

    [Fact]
    public async Task Every_pool_has_its_line_in_gauges_and_stats_also_one_that_no_configuration_names()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(
            database.ConnectionString,
            redis.ConnectionString,
            builder => builder.AddQueueGauges(),
            ("Queue:Pools:0:Name", "heavy"),
            ("Queue:Pools:0:Models", "big-*")
        );
        using var measured = new Measurements(core.Get<IMeterFactory>(), "AiBackend.Jobs");
        await core.SubmitAsync();
        await core.SubmitAsync(CoreHost.Draft() with { Pool = "forgotten" });
        await core.SubmitAsync(CoreHost.Draft() with { Pool = "forgotten", Priority = JobPriority.Batch });

        await core.Get<QueueGauges>().RefreshAsync(TestRun.Cancel);
        var stats = await core.Get<StatsReads>().ReadAsync(TimeSpan.FromMinutes(15), TestRun.Cancel);

        Assert.Equal(
            [("default", true, 1L), ("heavy", true, 0L), ("forgotten", false, 2L)],
            stats.Pools.Select(pool => (pool.Pool, pool.Configured, pool.Depth))
        );
        Assert.Equal([0L, 2L, 1L], stats.Queue.Select(level => level.Depth));
        Assert.Null(stats.Pools[1].OldestAgeSeconds);
        Assert.InRange(stats.Pools[2].OldestAgeSeconds!.Value, 0, 60);
        Assert.Equal(
            [("default", 1), ("heavy", 0), ("forgotten", 2)],
            measured.Read("aibackend.job.pool.depth").Select(each => ((string)each.Tags["aibackend.job.pool"]!, each.Value))
        );
        Assert.Equal(3, measured.Read("aibackend.job.pool.oldest_age").Count);
    }

    [Theory]
    [InlineData(100, 200, "p50")]
    [InlineData(0, 200, "p90")]
    [InlineData(0, 0, "later")]
    public async Task How_well_waits_are_foretold_is_counted(double p50, double p90, string within)
    {
        await using var database = await postgres.CreateDatabaseAsync();
        await using var core = await CoreHost.StartAsync(database.ConnectionString, redis.ConnectionString);
        using var measured = new Measurements(core.Get<IMeterFactory>(), "AiBackend.Jobs");
        var foretold = await core.SubmitAsync(CoreHost.Draft() with { Place = new QueuePlace(1, p50, p90, WaitingReasons.Capacity) });
        var silent = await core.SubmitAsync();

        foreach (var job in await core.Get<ClaimJobs>().RunAsync(core.WorkerId, [foretold, silent], CoreHost.Lease, TestRun.Cancel))
        {
            // One that was only told to wait has not begun, and is not asked about twice.
            core.Get<JobMetrics>().Ended(job, WaitsForLimit(), TimeSpan.Zero);
            core.Get<JobMetrics>().Ended(job, AttemptEnd.Succeeded("done"), TimeSpan.Zero);
            core.Get<JobMetrics>().Ended(job with { HasBegun = true }, AttemptEnd.Succeeded("done"), TimeSpan.Zero);
        }

        var (value, tags) = Assert.Single(measured.Of("aibackend.job.queue.forecasts"));
        Assert.Equal((1, within), (value, tags["aibackend.job.queue.within"]));
    }

    private static AttemptEnd WaitsForLimit() =>
        AttemptEnd.WaitsForProvider(new("provider_limit_reached", "rate_limited", "Full.", true), "rate_limit:p0/sim:pace", TimeSpan.Zero);

    private static ActivityListener Listen(ConcurrentQueue<Activity> ended)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is "AiBackend.Jobs" or "AiBackend.Providers",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }
}
