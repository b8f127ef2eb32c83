using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiBackend.Tests.Simulation;

/// <summary>P-1: after any sequence of operations each job stands where the table says, in memory and on Postgres.</summary>
public sealed class LifecycleModelTests(PostgresServer postgres)
{
    private const int Operations = 60;
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(10);
    private static readonly JobError Failure = new("provider_unavailable", "transient", "The provider is away.", Retryable: true);

    [Fact]
    public async Task P_1_the_store_follows_the_state_machine_in_memory()
    {
        for (var seed = 1; seed <= 300; seed++)
        {
            await PlayAsync(seed, Simulations.InMemory);
        }
    }

    [Fact]
    public async Task P_1_the_store_follows_the_state_machine_on_Postgres()
    {
        await using var backend = await PostgresBackend.StartAsync(postgres);
        for (var seed = 1; seed <= 20; seed++)
        {
            await PlayAsync(seed, backend.System());
        }
    }

    private static async Task PlayAsync(int seed, SimulatedSystem system)
    {
        var world = new World(new Schedule(seed), system);
        await using var writes = new LeasedWrites(
            world.Backend.Jobs,
            new Silence(),
            Telemetry.Jobs,
            new ReachableStorage(),
            TimeProvider.System,
            NullLogger<LeasedWrites>.Instance
        );
        var jobs = new List<Model>();
        for (var i = 0; i < Operations; i++)
        {
            world.Backend.Begin();
            var what = await OperateAsync(world, writes, jobs);
            foreach (var job in jobs)
            {
                world.Backend.Begin();
                var actual = await world.Backend.Jobs.FindStatusAsync(ApiKeyStore.DefaultTenant, job.Id, TestRun.Cancel);
                Assert.True(job.Status == actual, $"Seed {seed}, operation {i} ({what}): the job should be {job.Status} and is {actual}.");
            }
        }

        world.Schedule.End();
    }

    /// <summary>Does one thing to the store, and to the model what the table of <see cref="JobStateMachine"/> says.</summary>
    private static async Task<string> OperateAsync(World world, LeasedWrites writes, List<Model> jobs)
    {
        var (random, store) = (world.Schedule.Random, world.Backend.Jobs);
        if (jobs.Count == 0 || (jobs.Count < 4 && random.Next(6) == 0))
        {
            var draft = Draft(world);
            jobs.Add(new Model(draft));
            await store.InsertAsync([draft]);
            return "submit";
        }

        var job = jobs[random.Next(jobs.Count)];
        switch (random.Next(9))
        {
            case 0 or 1:
                var pool = job.Crashes < RescueJobs.AloneAfter ? JobDraft.DefaultPool : null;
                foreach (var claimed in (await store.ClaimAsync(Guid.CreateVersion7(), [job.Id], Lease, pool, TestRun.Cancel)).Jobs)
                {
                    job.Leases.Add(writes.Open(claimed));
                }

                job.MoveIf(
                    !job.CancelRequested && !(job.Deadline <= world.Now),
                    JobTrigger.Claim,
                    () => job.LeaseUntil = world.Now + Lease
                );
                return "claim";
            case 2 or 3 when job.Leases.Count > 0:
                return await EndAsync(world, job);
            case 4 when job.Leases.Count > 0:
                var lease = job.Leases[random.Next(job.Leases.Count)].Job.Lease;
                var held = await store.RenewAsync(
                    new WorkerHeartbeat(Guid.CreateVersion7(), "model", 1, 1, 0, false, 1),
                    [lease],
                    Lease,
                    TestRun.Cancel
                );
                var isHolder = job.Status == JobStatus.Processing && lease == job.Leases[^1].Job.Lease;
                Assert.Equal(isHolder, held.ContainsKey(job.Id));
                job.LeaseUntil = isHolder ? world.Now + Lease : job.LeaseUntil;
                return "heartbeat";
            case 5:
                var isLost = job.Status == JobStatus.Processing && job.LeaseUntil < world.Now;
                await store.RescueAsync([job.Id], TestRun.Cancel);
                job.Rescue(isLost, world.Now);
                return "rescue";
            case 6 when random.Next(3) == 0:
                await store.CancelAsync(ApiKeyStore.DefaultTenant, job.Id, TestRun.Cancel);
                job.CancelRequested |= !job.Status.IsTerminal();
                job.MoveIf(job.Status != JobStatus.Processing, JobTrigger.Cancel);
                return "cancel";
            case 7:
                await store.AdvanceDueAsync(100, TestRun.Cancel);
                jobs.ForEach(each => each.Advance(world.Now));
                return "advance";
            default:
                world.After(world.Schedule.Between(0.001, 12), () => { });
                world.Schedule.Run(() => false, DateTimeOffset.MaxValue);
                return "time passes";
        }
    }

    private static async Task<string> EndAsync(World world, Model job)
    {
        var random = world.Schedule.Random;
        // Mostly the holder, at times one that was the holder once.
        var running = random.Next(4) == 0 ? job.Leases[random.Next(job.Leases.Count)] : job.Leases[^1];
        var delay = TimeSpan.FromSeconds(random.Next(1, 20));
        var (trigger, end) = random.Next(6) switch
        {
            0 => (JobTrigger.Succeed, AttemptEnd.Succeeded("all")),
            1 => (JobTrigger.SucceedPartially, AttemptEnd.Partial("some", "the rest")),
            2 => (JobTrigger.FailForGood, AttemptEnd.FailedForGood(Failure)),
            3 => (JobTrigger.Cancel, AttemptEnd.Cancelled(null)),
            4 => (JobTrigger.GiveBack, AttemptEnd.GivenBack()),
            _ => (JobTrigger.FailForNow, AttemptEnd.FailedForNow(Failure, delay)),
        };
        PendingEvent[] events = [new PendingEvent(JobEventKind.Notice, "{}"u8.ToArray())];
        var written = await world.Backend.Jobs.EndAsync([new LeasedWrite(running, running.Job.LastSeq, events, end)]);
        var isHolder = job.Status == JobStatus.Processing && running == job.Leases[^1];
        Assert.Equal(isHolder, written.Contains(job.Id));
        job.MoveIf(isHolder, trigger, () => job.DueAt = world.Now + delay);
        return $"end by {trigger}";
    }

    private static JobDraft Draft(World world) =>
        new()
        {
            Id = SimWorker.NewId(world.Schedule.Random),
            TenantId = ApiKeyStore.DefaultTenant,
            Type = JobType.Noop,
            Priority = JobPriority.Standard,
            Model = "default",
            MaxAttempts = 3,
            NotBefore = world.Schedule.Chance(0.3) ? world.Now + world.Schedule.Between(0, 20) : null,
            Deadline = world.Schedule.Chance(0.3) ? world.Now + world.Schedule.Between(10, 100) : null,
            Input = "{}",
        };

    /// <summary>What the table says of one job.</summary>
    private sealed class Model(JobDraft draft)
    {
        public Guid Id => draft.Id;

        public DateTimeOffset? Deadline => draft.Deadline;

        public JobStatus Status { get; private set; } = draft.NotBefore is null ? JobStatus.Queued : JobStatus.Scheduled;

        public DateTimeOffset DueAt { get; set; } = draft.NotBefore ?? Schedule.Start;

        public DateTimeOffset LeaseUntil { get; set; }

        public bool CancelRequested { get; set; }

        public int Crashes { get; private set; }

        /// <summary>All claims, the last one holds if any does.</summary>
        public List<RunningJob> Leases { get; } = [];

        public void MoveIf(bool guard, JobTrigger trigger, Action? then = null)
        {
            if (guard && JobStateMachine.Next(Status, trigger) is { } next)
            {
                Status = next;
                then?.Invoke();
            }
        }

        public void Rescue(bool isLost, DateTimeOffset now)
        {
            if (isLost)
            {
                Crashes++;
                var isOver = Crashes >= RescueJobs.MaxCrashes || Deadline <= now;
                MoveIf(
                    true,
                    CancelRequested ? JobTrigger.Cancel
                        : isOver ? JobTrigger.FailForGood
                        : JobTrigger.GiveBack
                );
            }
        }

        public void Advance(DateTimeOffset now)
        {
            MoveIf(CancelRequested && Status != JobStatus.Processing, JobTrigger.Cancel);
            MoveIf(DueAt <= now, JobTrigger.BecomeDue);
            MoveIf(Deadline <= now, JobTrigger.Expire);
        }
    }

    private sealed class Silence : IJobSignals
    {
        public void Submitted(IReadOnlyList<NewJob> jobs) { }

        public void Queued(IReadOnlyList<Guid> jobIds) { }

        public void Committed(IReadOnlyList<JobEventRecord> events) { }

        public void CancelRequested(Guid jobId) { }
    }
}
