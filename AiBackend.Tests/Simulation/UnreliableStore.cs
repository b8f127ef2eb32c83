using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Core.Queue.Order;

namespace AiBackend.Tests.Simulation;

/// <summary>The store as one process reaches it. What took effect is told to the referee in the order in which it did.</summary>
internal class UnreliableStore(World world, SimProcess process) : IJobStore, IQueuedJobs, IJobEventLog
{
    private readonly Referee _referee = world.Referee;
    private readonly IJobStore _jobs = world.Backend.Jobs;

    public Task<InsertResult> InsertAsync(IReadOnlyList<JobDraft> drafts) =>
        CallAsync("insert", () => _jobs.InsertAsync(drafts), result => _referee.Inserted(drafts, result), CancellationToken.None);

    public Task<DateTimeOffset> ReadCreatedAtAsync(Guid tenantId, Guid jobId) =>
        CallAsync("created at", () => _jobs.ReadCreatedAtAsync(tenantId, jobId), _ => { }, CancellationToken.None);

    public Task<KeyUse?> FindKeyAsync(Guid tenantId, string key, CancellationToken cancellationToken) =>
        CallAsync("find key", () => _jobs.FindKeyAsync(tenantId, key, CancellationToken.None), _ => { }, cancellationToken);

    public Task ForgetKeyAsync(Guid tenantId, string key, Guid jobId) =>
        CallAsync("forget key", () => Nothing(_jobs.ForgetKeyAsync(tenantId, key, jobId)), _ => { }, CancellationToken.None);

    public Task<ClaimResult> ClaimAsync(Guid workerId, Guid[] jobIds, TimeSpan lease, string? pool, CancellationToken cancellationToken) =>
        CallAsync(
            "claim",
            async () =>
                // Their order is Postgres' own business; the schedule must not depend on it.
                new ClaimResult([
                    .. (await _jobs.ClaimAsync(workerId, jobIds, lease, pool, CancellationToken.None)).Jobs.OrderBy(job => job.Lease.JobId),
                ]),
            claimed => _referee.Claimed(process.Name, jobIds, claimed.Jobs, lease),
            cancellationToken
        );

    public Task<IReadOnlyDictionary<Guid, bool>> RenewAsync(
        WorkerHeartbeat heartbeat,
        IReadOnlyList<JobLease> leases,
        TimeSpan lease,
        CancellationToken cancellationToken
    ) =>
        CallAsync(
            "renew",
            () => _jobs.RenewAsync(heartbeat, leases, lease, CancellationToken.None),
            held => _referee.Renewed(process.Name, leases, held, lease),
            cancellationToken
        );

    public Task RecordStopAsync(Guid workerId, CancellationToken cancellationToken) =>
        CallAsync("record stop", () => Nothing(_jobs.RecordStopAsync(workerId, CancellationToken.None)), _ => { }, cancellationToken);

    public Task<IReadOnlySet<Guid>> FindAppliedAsync(IReadOnlyList<LeasedWrite> writes) =>
        WriteAsync("applied?", writes, _jobs.FindAppliedAsync, _referee.FoundApplied);

    public virtual Task<IReadOnlySet<Guid>> AppendAsync(IReadOnlyList<LeasedWrite> writes) =>
        WriteAsync("append", writes, _jobs.AppendAsync, _referee.Appended);

    public Task<IReadOnlySet<Guid>> EndAsync(IReadOnlyList<LeasedWrite> writes) =>
        WriteAsync("end", writes, _jobs.EndAsync, _referee.Ended);

    public Task<Guid[]> FindExpiredLeasesAsync(Guid after, int limit, CancellationToken cancellationToken) =>
        CallAsync("find expired", () => _jobs.FindExpiredLeasesAsync(after, limit, CancellationToken.None), _ => { }, cancellationToken);

    public Task<IReadOnlyList<JobEventRecord>> RescueAsync(Guid[] ids, CancellationToken cancellationToken) =>
        CallAsync(
            "rescue",
            () => _jobs.RescueAsync(ids, CancellationToken.None),
            events => _referee.Rescued(ids, events),
            cancellationToken
        );

    public Task<IReadOnlyList<JobEventRecord>> AdvanceDueAsync(int limit, CancellationToken cancellationToken) =>
        CallAsync("advance", () => Sorted(_jobs.AdvanceDueAsync(limit, CancellationToken.None)), _referee.Advanced, cancellationToken);

    public Task<JobHead?> CancelAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken) =>
        CallAsync(
            "cancel",
            () => _jobs.CancelAsync(tenantId, jobId, CancellationToken.None),
            head => _referee.Cancelled(jobId, head),
            cancellationToken
        );

    public Task<Guid[]> FindCancelledAsync(Guid workerId, CancellationToken cancellationToken) =>
        CallAsync(
            "find cancelled",
            async () => (await _jobs.FindCancelledAsync(workerId, CancellationToken.None)).Order().ToArray(),
            _ => { },
            cancellationToken
        );

    public Task<Guid[]> FindSuspectsAsync(CancellationToken cancellationToken) =>
        CallAsync("find suspects", world.Backend.Suspects, _ => { }, cancellationToken);

    public Task<JobStatus?> FindStatusAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken) =>
        CallAsync("status", () => _jobs.FindStatusAsync(tenantId, jobId, CancellationToken.None), _ => { }, cancellationToken);

    public Task<IReadOnlyDictionary<(Guid TenantId, Guid JobId), Job>> FindEndedAsync(
        IReadOnlyList<(Guid TenantId, Guid JobId)> jobs,
        CancellationToken cancellationToken
    ) => CallAsync("read jobs", () => _jobs.FindEndedAsync(jobs, CancellationToken.None), _ => { }, cancellationToken);

    public Task<Guid[]> FindAsync(int limit, TimeSpan olderThan, CancellationToken cancellationToken) =>
        CallAsync(
            "find queued",
            () => world.Backend.Queued.FindAsync(limit, olderThan, CancellationToken.None),
            _ => { },
            cancellationToken
        );

    public Task<LineHeads> ReadHeadsAsync(HeadsRequest request, CancellationToken cancellationToken) =>
        CallAsync("read heads", () => world.Backend.Queued.ReadHeadsAsync(request, CancellationToken.None), _ => { }, cancellationToken);

    public Task<IReadOnlyList<RunningJobs>> ReadRunningAsync(
        IReadOnlyCollection<Guid> apart,
        IReadOnlyCollection<Guid> known,
        CancellationToken cancellationToken
    ) =>
        CallAsync(
            "read running",
            () => world.Backend.Queued.ReadRunningAsync(apart, known, CancellationToken.None),
            _ => { },
            cancellationToken
        );

    public Task<IReadOnlyDictionary<Guid, int>> ReadReservedAsync(CancellationToken cancellationToken) =>
        CallAsync("read reserved", () => world.Backend.Queued.ReadReservedAsync(CancellationToken.None), _ => { }, cancellationToken);

    public Task<IReadOnlyDictionary<Guid, string>> FindHoldersAsync(
        IReadOnlyCollection<Guid> jobIds,
        CancellationToken cancellationToken
    ) =>
        CallAsync("find holders", () => world.Backend.Queued.FindHoldersAsync(jobIds, CancellationToken.None), _ => { }, cancellationToken);

    public Task<InteractiveDemand> ReadInteractiveDemandAsync(CancellationToken cancellationToken) =>
        CallAsync(
            "read demand",
            () => world.Backend.Queued.ReadInteractiveDemandAsync(CancellationToken.None),
            _ => { },
            cancellationToken
        );

    public Task<IReadOnlyDictionary<string, int>> ReadSlotsAsync(CancellationToken cancellationToken) =>
        CallAsync("read slots", () => world.Backend.Queued.ReadSlotsAsync(CancellationToken.None), _ => { }, cancellationToken);

    public Task<EventPage> ReadAsync(Guid tenantId, Guid jobId, int after, int limit, CancellationToken cancellationToken) =>
        CallAsync(
            "read log",
            () => world.Backend.Log.ReadAsync(tenantId, jobId, after, limit, CancellationToken.None),
            _ => { },
            cancellationToken
        );

    public Task<bool> HasEndedByAsync(Guid tenantId, Guid jobId, int after, CancellationToken cancellationToken) =>
        CallAsync(
            "ended?",
            () => world.Backend.Log.HasEndedByAsync(tenantId, jobId, after, CancellationToken.None),
            _ => { },
            cancellationToken
        );

    public Task<IReadOnlyDictionary<Guid, LatestEvent>> ReadLatestAsync(Guid[] jobIds, CancellationToken cancellationToken) =>
        CallAsync(
            "latest events",
            async () =>
                (IReadOnlyDictionary<Guid, LatestEvent>)
                    new SortedDictionary<Guid, LatestEvent>(
                        (await world.Backend.Log.ReadLatestAsync(jobIds, CancellationToken.None)).ToDictionary()
                    ),
            _ => { },
            cancellationToken
        );

    private Task<IReadOnlySet<Guid>> WriteAsync(
        string name,
        IReadOnlyList<LeasedWrite> writes,
        Func<IReadOnlyList<LeasedWrite>, Task<IReadOnlySet<Guid>>> write,
        Action<string, IReadOnlyList<LeasedWrite>, IReadOnlySet<Guid>> observe
    )
    {
        // Its sender may give up on it and change its list before it takes effect.
        LeasedWrite[] sent = [.. writes];
        return CallAsync(name, () => write(sent), written => observe(process.Name, sent, written), CancellationToken.None);
    }

    private Task<T> CallAsync<T>(string name, Func<Task<T>> effect, Action<T> observe, CancellationToken cancellationToken) =>
        world.CallAsync(process, name, effect, observe, cancellationToken);

    private static async Task<bool> Nothing(Task task)
    {
        await task;
        return true;
    }

    private static async Task<IReadOnlyList<JobEventRecord>> Sorted(Task<IReadOnlyList<JobEventRecord>> events) =>
        [.. (await events).OrderBy(record => record.JobId).ThenBy(record => record.Seq)];
}
