using System.Diagnostics;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Simulator;

namespace AiBackend.Tests.Worker;

/// <summary>A job that may kill its process runs where nobody else is, and neither a stop nor a crash of its parent is held against it.</summary>
public sealed class QuarantineTests(PostgresServer postgres, RedisServer redis, SimulatorServer simulator)
    : CoreTests(postgres, redis),
        IClassFixture<RedisServer>,
        IClassFixture<SimulatorServer>
{
    private readonly RedisServer _redis = redis;

    [Fact]
    public async Task F_34_a_job_that_kills_its_process_is_alone_the_third_time_and_its_neighbours_all_finish_uncounted()
    {
        var model = await simulator.ModelAsync(new { words = 40, interval_ms = 50 });
        var killer = await simulator.ModelAsync(new { words = 40, interval_ms = 50 });
        await using var crew = new Crew(() =>
            StartAsync(
                model,
                [.. WorkerProcess.ShortLeases, ("AIBACKEND_PROVIDERS__0__SIMULATED", "true"), ("AIBACKEND_FAULT", $"K10[{killer}]:fail@5")]
            )
        );
        await crew.StartAsync(2);
        var neighbours = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Core.SubmitAsync()));
        var poison = await Core.SubmitAsync(CoreHost.Draft() with { Model = killer });

        await UntilAsync(poison, JobStatus.Failed);
        foreach (var neighbour in neighbours)
        {
            await UntilAsync(neighbour, JobStatus.Completed);
        }

        var job = await Core.Reads.FindAsync(poison, TestRun.Cancel);
        Assert.Equal(("failed", "poison"), (job!.Status, job.Error!.Code));
        var trace = await Core.Get<JobTraces>().FindAsync(AiBackend.Core.Tenancy.ApiKeyStore.DefaultTenant, poison, TestRun.Cancel);
        Assert.Equal(["lost", "lost", "lost"], trace!.Attempts.Select(attempt => attempt.Outcome));
        Assert.Equal(
            [false, false, true],
            trace.Attempts.Select(attempt => attempt.Worker!.EndsWith(" quarantine", StringComparison.Ordinal))
        );
        Assert.Equal(1, await Core.ScalarAsync<long>("SELECT count(*) FROM dead_letters"));
        Assert.Equal(0, await Core.ScalarAsync<long>(NotAloneSql));
        // I-13, and what a neighbour lost was not counted.
        Assert.Equal(
            0,
            await Core.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE crash_count > 3 OR attempt - excused > max_attempts")
        );
        Assert.Equal(0, await Core.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 6 AND attempt - excused <> 1"));
        Assert.Equal(0, await Core.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 6 AND crash_count > 2"));
        await crew.StopAsync();
        await NoProcessIsLeftAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task F_34_the_end_of_the_worker_that_started_a_quarantine_process_is_no_crash_of_its_job(bool killed)
    {
        var model = await simulator.ModelAsync(new { words = 400, interval_ms = 50 });
        var suspect = await SubmitSuspectAsync();
        using (var worker = await StartAsync(model, WorkerProcess.ShortLeases))
        {
            await UntilAsync(suspect, JobStatus.Processing);

            if (killed)
            {
                await worker.KillGroupAsync();
            }
            else
            {
                worker.Signal(Signal.Terminate);
            }

            await UntilAsync(suspect, JobStatus.Queued);
            await worker.WaitForExitAsync();
        }

        Assert.Equal((2, 1, 1), await NumbersAsync(suspect));
        Assert.Equal(
            (short)AttemptOutcome.Interrupted,
            await Core.ScalarAsync<short>("SELECT outcome FROM job_attempts WHERE job_id = @id", suspect)
        );
        var waiting = await Core.Reads.FindAsync(suspect, TestRun.Cancel);
        Assert.Equal(("queued", "isolation"), (waiting!.Status, waiting.Queue!.WaitingReason));
        await NoProcessIsLeftAsync();
    }

    [Fact]
    public async Task F_34_the_third_crash_is_known_as_soon_as_the_process_is_dead_whatever_its_lease_says()
    {
        var model = await simulator.ModelAsync(new { words = 400, interval_ms = 50 });
        // The first rescue of a leader is one lease after it began.
        using var worker = await StartAsync(model, WorkerProcess.ShortLeases);
        var suspect = await SubmitSuspectAsync();
        await UntilAsync(suspect, JobStatus.Processing);

        await Core.ExecuteAsync("UPDATE jobs SET lease_until = now() + interval '1 hour' WHERE id = @id", suspect);
        await KillHolderAsync(suspect);

        await UntilAsync(suspect, JobStatus.Failed);
        Assert.Equal("poison", (await Core.Reads.FindAsync(suspect, TestRun.Cancel))!.Error!.Code);
    }

    [Fact]
    public async Task A_suspect_that_is_innocent_finishes_alone_and_the_quarantine_process_ends()
    {
        var model = await simulator.ModelAsync(new { words = 3 });
        using var worker = await StartAsync(model);
        var suspect = await SubmitSuspectAsync();
        var other = await Core.SubmitAsync();

        await UntilAsync(suspect, JobStatus.Completed);
        await UntilAsync(other, JobStatus.Completed);

        await Eventually.TrueAsync(
            async _ =>
                await Core.ScalarAsync<long>("SELECT count(*) FROM workers WHERE name LIKE '% quarantine' AND stopped_at IS NOT NULL") == 1,
            "the process has ended in order"
        );
        Assert.Equal((2, 1, 0), await NumbersAsync(suspect));
        Assert.Equal(0, await Core.ScalarAsync<long>(NotAloneSql));
    }

    [Fact]
    public async Task F_34_no_ordinary_claim_takes_a_suspect_and_no_quarantine_takes_another_job()
    {
        var suspect = await SubmitSuspectAsync();
        var other = await Core.SubmitAsync();
        var claim = Core.Get<ClaimJobs>();

        Assert.Null(await claim.RunAloneAsync(Core.WorkerId, other, CoreHost.Lease, TestRun.Cancel));
        var ordinary = await claim.RunAsync(Core.WorkerId, [suspect, other], CoreHost.Lease, TestRun.Cancel);
        Assert.Equal([other], ordinary.Select(job => job.Lease.JobId));
        Assert.Empty(await Core.Get<IQueuedJobs>().FindAsync(10, TimeSpan.Zero, TestRun.Cancel));
        Assert.Empty(
            (
                await Core.Get<IQueuedJobs>()
                    .ReadHeadsAsync(new(true, TimeSpan.Zero, 10, new Dictionary<JobKind, int>(), []), TestRun.Cancel)
            ).Jobs
        );
        Assert.Equal(2, (await claim.RunAloneAsync(Core.WorkerId, suspect, CoreHost.Lease, TestRun.Cancel))!.Crashes);
    }

    // Two attempts of one quarantine process at the same time, or any of its attempts at a job that was no suspect.
    private const string NotAloneSql = """
        SELECT count(*) FROM job_attempts a JOIN workers w ON w.id = a.worker_id JOIN jobs j ON j.id = a.job_id
         WHERE w.name LIKE '% quarantine'
           AND (j.crash_count < 2
                OR EXISTS (SELECT 1 FROM job_attempts b WHERE b.worker_id = a.worker_id AND b.job_id <> a.job_id
                              AND b.started_at < a.ended_at AND a.started_at < b.ended_at))
        """;

    private Task<WorkerProcess> StartAsync(string model, params (string, string)[] settings) =>
        WorkerProcess.StartAsync(Db, _redis, (simulator.Address, model), settings);

    private async Task<Guid> SubmitSuspectAsync()
    {
        var draft = CoreHost.Draft() with { NotBefore = DateTimeOffset.MaxValue.AddYears(-1000) };
        await Core.SubmitAsync(draft);
        await Core.ExecuteAsync("UPDATE jobs SET crash_count = 2, status = 1, due_at = now() WHERE id = @id", draft.Id);
        return draft.Id;
    }

    private async Task<(int Crashes, int Attempts, int Excused)> NumbersAsync(Guid job) =>
        (
            await Core.ScalarAsync<int>("SELECT crash_count FROM jobs WHERE id = @id", job),
            await Core.ScalarAsync<int>("SELECT attempt FROM jobs WHERE id = @id", job),
            await Core.ScalarAsync<int>("SELECT excused FROM jobs WHERE id = @id", job)
        );

    private Task UntilAsync(Guid job, JobStatus status) =>
        Eventually.TrueAsync(async _ => await Core.StatusAsync(job) == status, $"job {job} is {status}", TimeSpan.FromSeconds(90));

    private async Task KillHolderAsync(Guid job)
    {
        var holder = await Core.ScalarAsync<string>(
            "SELECT coalesce((SELECT w.name FROM jobs j JOIN workers w ON w.id = j.worker_id WHERE j.id = @id AND j.status = 2 AND j.lease_until > now()), '')",
            job
        );
        if (holder.Length > 0)
        {
            using var process = Process.GetProcessById(WorkerProcess.IdOf(holder));
            process.Kill();
        }
    }

    private async Task NoProcessIsLeftAsync()
    {
        var names = (await Core.ScalarAsync<string>("SELECT string_agg(name, ',') FROM workers")).Split(',');
        await Eventually.TrueAsync(() => !names.Any(name => WorkerProcess.Lives(WorkerProcess.IdOf(name))), "all processes are gone");
    }
}
