using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Worker;

/// <summary>That a worker's process has ended is known at once, whatever its leases say; that its session has is no reason to take its jobs.</summary>
public sealed class PresenceTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    // Longer than this test waits for anything.
    private static readonly (string, string)[] LongLeases = [("Worker__LeaseDuration", "00:10:00"), ("Worker__MaxConcurrentJobs", "1")];

    private const string HoldersSql = """
        SELECT count(DISTINCT w.id)
          FROM pg_locks l JOIN workers w ON (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('worker/' || w.id, 0)
         WHERE l.locktype = 'advisory' AND l.granted AND w.stopped_at IS NULL
        """;

    private static readonly string LostSql = FormattableString.Invariant(
        $"SELECT count(*) FROM job_attempts WHERE job_id = @id AND outcome = {AttemptOutcome.Lost:D}"
    );

    private const string EndSessionSql = """
        SELECT coalesce(string_agg(l.pid::text, ',') FILTER (WHERE pg_terminate_backend(l.pid)), '0')
          FROM pg_locks l JOIN workers w ON (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('worker/' || w.id, 0)
         WHERE l.locktype = 'advisory'
        """;

    // Who renews its leases is there, also where the machine stops for as long as a worker may be without its lock.
    private static readonly (string, string) OftenRenewed = ("Worker__RenewalInterval", "00:00:00.500");

    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task The_job_of_a_killed_worker_is_free_at_once_however_long_its_lease_is()
    {
        var model = await simulator.ModelAsync(new { words = 10_000, interval_ms = 50 });
        (string, string) oftenRenewed = ("Worker__RenewalInterval", "00:00:01");
        using var leader = await StartAsync(model, oftenRenewed);
        var kept = await Core.SubmitAsync();
        await UntilAsync(kept, JobStatus.Processing);
        using var killed = await StartAsync(model, oftenRenewed);
        var job = await Core.SubmitAsync();
        await UntilAsync(job, JobStatus.Processing);
        await UntilHeldAsync(2);
        // Long enough for the others to have looked: all have renewed their leases since.
        var since = await Core.ScalarAsync<DateTime>("SELECT max(last_seen_at) FROM workers");
        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<DateTime>("SELECT min(last_seen_at) FROM workers") > since,
            "both have renewed",
            TimeSpan.FromSeconds(30)
        );

        await killed.KillGroupAsync();

        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<long>(LostSql, job) == 1,
            "the job is taken from the dead worker",
            TimeSpan.FromSeconds(60)
        );
        Assert.Equal(JobStatus.Processing, await Core.StatusAsync(kept));
    }

    [Fact]
    public async Task A_worker_whose_session_ended_shows_itself_again_and_keeps_its_job()
    {
        var model = await simulator.ModelAsync(new { words = 120, interval_ms = 50 });
        using var first = await StartAsync(model, OftenRenewed);
        using var second = await StartAsync(model, OftenRenewed);
        var job = await Core.SubmitAsync();
        await UntilAsync(job, JobStatus.Processing);
        await UntilHeldAsync(2);

        var ended = await Core.ScalarAsync<string>(EndSessionSql);
        await UntilHeldAsync(2, $" AND l.pid NOT IN ({ended})");

        await UntilAsync(job, JobStatus.Completed);
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT attempt FROM jobs WHERE id = @id", job));
    }

    private Task<WorkerProcess> StartAsync(string model, params IEnumerable<(string, string)> settings) =>
        WorkerProcess.StartAsync(Db, _redis, (simulator.Address, model), [.. LongLeases, .. settings]);

    private Task UntilAsync(Guid job, JobStatus status) =>
        Eventually.TrueAsync(async _ => await Core.StatusAsync(job) == status, $"job {job} is {status}", TimeSpan.FromSeconds(90));

    private Task UntilHeldAsync(int workers, string by = "") =>
        Eventually.TrueAsync(async _ => await Core.ScalarAsync<long>(HoldersSql + by) == workers, $"{workers} workers hold their locks");
}
