using System.Globalization;
using AiBackend.Core.Jobs;

namespace AiBackend.Tests.Simulation;

/// <summary>What holders of a lease may do.</summary>
internal partial class MemoryStore
{
    public Task<ClaimResult> ClaimAsync(Guid workerId, Guid[] jobIds, TimeSpan lease, string? pool, CancellationToken cancellationToken)
    {
        var claimed = new List<ClaimedJob>();
        foreach (
            var job in jobIds
                .Distinct()
                .Select(Find)
                .OfType<JobRecord>()
                .Where(job => MayBeClaimed(job) && (job.CrashCount < RescueJobs.AloneAfter ? pool == job.Draft.Pool : pool is null))
        )
        {
            var wait = Now - job.DueAt;
            job.Status = JobStatus.Processing;
            job.Epoch++;
            job.LeaseUntil = Now + lease;
            job.WorkerId = workerId;
            job.Attempt++;
            job.ClaimedAt = Now;
            job.StartedAt ??= Now;
            job.Error = null;
            Add(
                job,
                JobEventKind.State,
                Json(string.Create(CultureInfo.InvariantCulture, $$"""{"status":"processing","attempt":{{job.Attempt}}}"""))
            );
            claimed.Add(
                new ClaimedJob
                {
                    Lease = new JobLease(job.Draft.Id, job.Epoch),
                    Type = job.Draft.Type,
                    Model = job.Draft.Model,
                    TenantId = job.Draft.TenantId,
                    Feature = job.Draft.Feature,
                    EndUser = job.Draft.EndUser,
                    KeyId = job.Draft.KeyId,
                    MaxCostUsd = job.Draft.MaxCostUsd,
                    Priority = job.Draft.Priority,
                    Attempt = job.Attempt,
                    CountedAttempts = Counted(job),
                    MaxAttempts = job.Draft.MaxAttempts,
                    TimeLeft = job.Draft.Deadline - Now,
                    QueueWait = wait,
                    Age = Now - job.CreatedAt,
                    CreatedAt = job.CreatedAt,
                    LastSeq = job.LastSeq,
                    Input = job.Draft.Input,
                    TraceParent = job.Draft.TraceParent,
                    Crashes = job.CrashCount,
                    IsRetry = job.WaitingReason is not null,
                }
            );
        }

        return Task.FromResult(new ClaimResult(claimed));
    }

    protected virtual int Counted(JobRecord job) => job.Attempt - job.Excused;

    protected virtual bool MayBeClaimed(JobRecord job) =>
        job.Status == JobStatus.Queued && !job.CancelRequested && (job.Draft.Deadline is null || job.Draft.Deadline > Now);

    public Task<IReadOnlyDictionary<Guid, bool>> RenewAsync(
        WorkerHeartbeat heartbeat,
        IReadOnlyList<JobLease> leases,
        TimeSpan lease,
        CancellationToken cancellationToken
    )
    {
        Note(heartbeat);
        var held = new Dictionary<Guid, bool>();
        foreach (var each in leases.OrderBy(each => each.JobId))
        {
            if (Find(each.JobId) is { } job && MayBeRenewed(job, each))
            {
                job.LeaseUntil = Now + lease;
                held.Add(each.JobId, job.CancelRequested);
            }
        }

        return Task.FromResult<IReadOnlyDictionary<Guid, bool>>(held);
    }

    protected virtual bool MayBeRenewed(JobRecord job, JobLease lease) => job.Status == JobStatus.Processing && job.Epoch == lease.Epoch;

    public Task RecordStopAsync(Guid workerId, CancellationToken cancellationToken)
    {
        Stop(workerId);
        return Task.CompletedTask;
    }

    public Task<IReadOnlySet<Guid>> FindAppliedAsync(IReadOnlyList<LeasedWrite> writes) =>
        Task.FromResult<IReadOnlySet<Guid>>(Written(writes, IsApplied));

    protected virtual bool IsApplied(JobRecord job, LeasedWrite write) =>
        job.Epoch == write.Lease.Epoch
        && job.LastSeq == write.LastSeq
        && (write.End is { } end ? job.Attempts.Contains((job.Attempt, end.Outcome)) : job.Status == JobStatus.Processing);

    public virtual Task<IReadOnlySet<Guid>> AppendAsync(IReadOnlyList<LeasedWrite> writes) =>
        Task.FromResult<IReadOnlySet<Guid>>(
            Written(
                writes,
                (job, write) =>
                {
                    if (!HoldsLease(job, write))
                    {
                        return false;
                    }

                    Number(job, write);
                    return true;
                }
            )
        );

    protected virtual bool HoldsLease(JobRecord job, LeasedWrite write) =>
        job.Status == JobStatus.Processing && job.Epoch == write.Lease.Epoch && job.LastSeq == write.AfterSeq;

    public Task<IReadOnlySet<Guid>> EndAsync(IReadOnlyList<LeasedWrite> writes) =>
        Task.FromResult<IReadOnlySet<Guid>>(
            Written(
                writes,
                (job, write) =>
                {
                    if (!HoldsLease(job, write))
                    {
                        return false;
                    }

                    Number(job, write);
                    Apply(job, write.End!);
                    return true;
                }
            )
        );

    protected virtual int NumberBefore(JobRecord job, LeasedWrite write) => write.AfterSeq;

    private void Number(JobRecord job, LeasedWrite write)
    {
        var after = NumberBefore(job, write);
        Add(job, write.Events, after);
        job.LastSeq = after + write.Events.Count;
    }

    private static TimeSpan WholeMicroseconds(TimeSpan time) => TimeSpan.FromTicks(time.Ticks / 10 * 10);

    private void Apply(JobRecord job, AttemptEnd end)
    {
        var isFinal = end.Status.IsTerminal();
        job.Status = end.Status;
        job.LeaseUntil = null;
        job.FinishedAt = isFinal ? Now : null;
        job.DueAt = isFinal ? job.DueAt : Now + WholeMicroseconds(end.RetryDelay ?? TimeSpan.Zero);
        job.Excused +=
            end.Outcome == AttemptOutcome.Interrupted || (end.Status == JobStatus.Retrying && end.Error?.Class == "rate_limited") ? 1 : 0;
        job.Error = end.Error;
        job.WaitingReason = end.Status == JobStatus.Queued ? job.WaitingReason : end.WaitingReason;
        job.Attempts.Add((job.Attempt, end.Outcome));
        if (end.Text is { } text)
        {
            job.Output = text;
        }

        job.IsDeadLetter |= end.Status == JobStatus.Failed && end.Error!.Class != "caller_error";
    }

    private HashSet<Guid> Written(IReadOnlyList<LeasedWrite> writes, Func<JobRecord, LeasedWrite, bool> write) =>
        writes.Where(each => Find(each.Lease.JobId) is { } job && write(job, each)).Select(each => each.Lease.JobId).ToHashSet();
}
