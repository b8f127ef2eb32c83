using System.Diagnostics;
using System.Globalization;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Worker;

/// <summary>What a job that ends its processes costs the others (F-34).</summary>
[Trait("Category", "Long")]
public sealed class PoisonTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private const double LeastThroughput = 0.7;

    private static readonly TimeSpan Quiet = TestRun.Duration("AIBACKEND_POISON_SECONDS", TimeSpan.FromSeconds(60));
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    // A worker needs about 40 MB; what the job takes must not fit.
    private static readonly (string, string) MemoryLimit = ("DOTNET_GCHeapHardLimit", "0x10000000");

    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task F_34_a_job_that_takes_all_memory_is_alone_the_third_time_and_its_neighbours_all_finish()
    {
        var folder = TestFolder.Create("poison");
        var evidence = Path.Combine(folder, "evidence");
        var killer = await simulator.ModelAsync(new { words = 40, interval_ms = 50 });
        await using var crew = await CrewAsync($"K10[{killer}]:grow@5", MemoryLimit, ("AIBACKEND_FAULT_EVIDENCE", evidence));
        var neighbours = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Core.SubmitAsync()));
        var poison = await Core.SubmitAsync(CoreHost.Draft() with { Model = killer });

        await UntilEndedAsync([.. neighbours, poison]);

        Assert.Equal("poison", await ErrorAsync(poison));
        Assert.Equal(2, crew.Fallen);
        Assert.Equal(
            3,
            (await File.ReadAllLinesAsync(evidence, TestRun.Cancel)).Count(line => line.StartsWith("K10 Grow", StringComparison.Ordinal))
        );
        // Whoever asked for memory in that moment may have got none: one counted try, and no more.
        Assert.Equal(
            neighbours.Length,
            await Core.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 6 AND attempt - excused <= 2")
        );
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters"));
        TestFolder.Remove(folder);
    }

    [Fact]
    public async Task F_34_a_pool_with_processes_of_its_own_takes_all_memory_from_nobody_else()
    {
        var killer = await simulator.ModelAsync(new { words = 40, interval_ms = 50 });
        (string, string)[] pool = [("Queue__Pools__0__Name", "heavy"), ("Queue__Pools__0__Models", killer)];
        await using var others = await CrewAsync($"K10[{killer}]:grow@5", [.. pool, MemoryLimit, ("Worker__Pools", "default")]);
        await using var heavy = await CrewAsync($"K10[{killer}]:grow@5", [.. pool, MemoryLimit, ("Worker__Pools", "heavy")]);
        var poison = await Core.SubmitAsync(CoreHost.Draft() with { Model = killer, Pool = "heavy" });
        List<Guid> neighbours = [];
        while (await Core.ScalarAsync<int>("SELECT crash_count FROM jobs WHERE id = @id", poison) < RescueJobs.AloneAfter)
        {
            neighbours.Add(await Core.SubmitAsync());
            await Task.Delay(Between, TestRun.Cancel);
        }

        await UntilEndedAsync([.. neighbours, poison]);

        Assert.Equal(("poison", 2, 0), (await ErrorAsync(poison), heavy.Fallen, others.Fallen));
        Assert.Equal(neighbours.Count, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 6 AND attempt = 1"));
    }

    [Fact]
    public async Task F_34_neighbours_of_a_poison_job_keep_70_percent_of_their_throughput()
    {
        var killer = await simulator.ModelAsync(new { words = 40, interval_ms = 50 });
        await using var crew = await CrewAsync($"K10[{killer}]:fail@5");
        using var over = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        var load = LoadAsync(over.Token);
        await Eventually.TrueAsync(async _ => await EndedWellAsync() > 10, "the load runs", Patience);

        var quiet = await ThroughputAsync(_ => Task.Delay(Quiet, TestRun.Cancel));
        List<Guid> poison = [];
        var poisoned = await ThroughputAsync(async watch =>
        {
            while (watch.Elapsed < Quiet)
            {
                poison.Add(await Core.SubmitAsync(CoreHost.Draft() with { Model = killer }));
                await UntilEndedAsync([poison[^1]]);
            }
        });
        await over.CancelAsync();
        var neighbours = await load;
        await UntilEndedAsync(neighbours);

        TestContext.Current.TestOutputHelper?.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{quiet:0.0} jobs/s, with {poison.Count} poison jobs {poisoned:0.0}")
        );
        Assert.Equal(poison.Count, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE error_code = 'poison'"));
        Assert.Equal(neighbours.Count, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 6 AND attempt - excused = 1"));
        Assert.InRange(poisoned / quiet, LeastThroughput, double.MaxValue);
    }

    private async Task<Crew> CrewAsync(string fault, params (string, string)[] settings)
    {
        var model = await simulator.ModelAsync(new { words = 20, interval_ms = 50 });
        var crew = new Crew(() =>
            WorkerProcess.StartAsync(
                Db,
                _redis,
                (simulator.Address, model),
                [.. WorkerProcess.ShortLeases, ("AIBACKEND_PROVIDERS__0__SIMULATED", "true"), ("AIBACKEND_FAULT", fault), .. settings]
            )
        );
        await crew.StartAsync(2);
        return crew;
    }

    /// <summary>Submits at a steady pace, whatever becomes of it.</summary>
    private async Task<IReadOnlyList<Guid>> LoadAsync(CancellationToken stop)
    {
        List<Guid> submitted = [];
        using var timer = new PeriodicTimer(Between);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                submitted.Add(await Core.SubmitAsync());
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Enough.
        }

        return submitted;
    }

    private async Task<double> ThroughputAsync(Func<Stopwatch, Task> during)
    {
        var (before, watch) = (await EndedWellAsync(), Stopwatch.StartNew());
        await during(watch);
        return (await EndedWellAsync() - before) / watch.Elapsed.TotalSeconds;
    }

    private Task<int> EndedWellAsync() => Core.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 6");

    private Task<string> ErrorAsync(Guid job) => Core.ScalarAsync<string>("SELECT coalesce(error_code, '') FROM jobs WHERE id = @id", job);

    private async Task UntilEndedAsync(IReadOnlyList<Guid> jobs)
    {
        foreach (var job in jobs)
        {
            await Eventually.TrueAsync(async _ => (await Core.StatusAsync(job)).IsTerminal(), $"job {job} ends", Patience);
        }
    }
}
