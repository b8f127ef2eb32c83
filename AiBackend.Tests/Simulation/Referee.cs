using AiBackend.Core.Jobs;

namespace AiBackend.Tests.Simulation;

/// <summary>Watches every statement that took effect and says which invariant it broke. Knows the rules, not the store.</summary>
internal sealed class Referee(World world)
{
    /// <summary>Between the decision to retry and the moment its statement takes effect.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(30);

    private readonly Dictionary<Guid, Watched> _jobs = [];
    private readonly Dictionary<string, Guid> _keys = [];
    private readonly List<string> _violations = [];

    public IReadOnlyList<string> Violations => _violations;

    public IReadOnlyDictionary<Guid, Watched> Jobs => _jobs;

    public void Violate(string invariant, string what)
    {
        world.Note($"VIOLATION {invariant}: {what}");
        _violations.Add($"{invariant}: {what}");
    }

    public void Inserted(IReadOnlyList<JobDraft> drafts, InsertResult result)
    {
        foreach (var draft in drafts)
        {
            if (draft.IdempotencyKey is { } key)
            {
                if (!result.Accepted.Contains(draft.Id))
                {
                    continue;
                }

                Require(_keys.TryAdd(key, draft.Id), "I-3", $"key {key} made a second job");
            }

            Require(_jobs.TryAdd(draft.Id, new Watched(draft)), "I-3", $"job {Short(draft.Id)} was inserted twice");
            world.Note($"job {Short(draft.Id)} is inserted");
        }
    }

    public void Claimed(string who, Guid[] asked, IReadOnlyList<ClaimedJob> claimed, TimeSpan lease)
    {
        if (claimed.Count < asked.Length)
        {
            world.Sometimes("a claim found its job taken or ended");
        }

        foreach (var job in claimed)
        {
            var watched = _jobs[job.Lease.JobId];
            if (watched.Crashes >= RescueJobs.AloneAfter)
            {
                world.Sometimes("a suspect ran alone");
                Require(who.StartsWith("quarantine", StringComparison.Ordinal), "F-34", $"{who} took suspect {Short(job.Lease.JobId)}");
            }

            world.Note($"{who} claims {Short(job.Lease.JobId)} epoch {job.Lease.Epoch}");
            Require(!watched.IsHeld, "I-11", $"{who} claimed job {Short(job.Lease.JobId)} while epoch {watched.Epoch} holds it");
            Require(!watched.HasEnded, "I-2", $"{who} claimed job {Short(job.Lease.JobId)} after its end");
            Require(!watched.CancelRequested, "I-20", $"{who} claimed job {Short(job.Lease.JobId)} after its cancel was acknowledged");
            Require(job.Lease.Epoch == watched.Epoch + 1, "I-11", $"epoch {job.Lease.Epoch} follows {watched.Epoch}");
            watched.Epoch = job.Lease.Epoch;
            watched.IsHeld = true;
            watched.Claims++;
            watched.LeaseUntil = world.Now + lease;
            Require(
                watched.Claims - watched.Excused <= watched.Draft.MaxAttempts,
                "I-13",
                $"job {Short(job.Lease.JobId)} began try {watched.Claims - watched.Excused} of {watched.Draft.MaxAttempts}"
            );
            watched.Append(job.LastSeq, 1, this);
        }
    }

    public void Renewed(string who, IReadOnlyList<JobLease> leases, IReadOnlyDictionary<Guid, bool> held, TimeSpan lease)
    {
        foreach (var each in leases)
        {
            if (!held.TryGetValue(each.JobId, out var cancelRequested))
            {
                world.Sometimes("a renewal found its lease lost");
                continue;
            }

            var watched = _jobs[each.JobId];
            RequireHolder(who, "renewed", each, watched);
            Require(cancelRequested == watched.CancelRequested, "I-20", $"a renewal of {Short(each.JobId)} did not tell of the cancel");
            watched.LeaseUntil = world.Now + lease;
        }
    }

    public void FoundApplied(string who, IReadOnlyList<LeasedWrite> writes, IReadOnlySet<Guid> applied)
    {
        foreach (var write in writes)
        {
            var isApplied = applied.Contains(write.Lease.JobId);
            world.Sometimes(isApplied ? "a lost reply was recovered" : "an unsure write had not happened");
            var watched = _jobs[write.Lease.JobId];
            Require(
                !isApplied
                    || (watched.Epoch == write.Lease.Epoch && watched.LastSeq == write.LastSeq && watched.RescuedEpoch != watched.Epoch),
                "I-10",
                $"{who} was told that a write of {Short(write.Lease.JobId)} was committed, and it was not"
            );
        }
    }

    public void Appended(string who, IReadOnlyList<LeasedWrite> writes, IReadOnlySet<Guid> written)
    {
        foreach (var write in writes)
        {
            var watched = _jobs[write.Lease.JobId];
            if (!written.Contains(write.Lease.JobId))
            {
                world.Sometimes(write.Lease.Epoch < watched.Epoch ? "a zombie was fenced by its epoch" : "a late write was fenced");
                continue;
            }

            RequireHolder(who, "wrote", write.Lease, watched);
            watched.Append(write.LastSeq, write.Events.Count, this);
        }
    }

    public void Ended(string who, IReadOnlyList<LeasedWrite> writes, IReadOnlySet<Guid> written)
    {
        Appended(who, writes, written);
        foreach (var write in writes.Where(write => written.Contains(write.Lease.JobId)))
        {
            var watched = _jobs[write.Lease.JobId];
            var end = write.End!;
            world.Note($"{who} ends {Short(write.Lease.JobId)} epoch {write.Lease.Epoch} as {end.Status}");
            watched.IsHeld = false;
            var rateLimited = end.Status == JobStatus.Retrying && end.Error?.Class == "rate_limited";
            watched.Excused += end.Outcome == AttemptOutcome.Interrupted || rateLimited ? 1 : 0;
            Require(end.RetryDelay is null || end.Error!.Retryable, "P-7", $"{end.Error?.Code} was retried");
            Require(
                end.RetryDelay is null || watched.Draft.Deadline is null || world.Now + end.RetryDelay < watched.Draft.Deadline + Slack,
                "P-7",
                $"job {Short(write.Lease.JobId)} waits for a try after its deadline"
            );
            if (end.Status.IsTerminal())
            {
                watched.End(end.Status, this);
            }

            world.Sometimes($"an attempt ended as {end.Outcome} and its job as {end.Status}");
        }
    }

    public void Rescued(Guid[] asked, IReadOnlyList<JobEventRecord> events)
    {
        var rescued = events.GroupBy(record => record.JobId).ToList();
        if (rescued.Count < asked.Length)
        {
            world.Sometimes("a rescue was overtaken by its job's holder or by another rescuer");
        }

        foreach (var job in rescued)
        {
            var watched = _jobs[job.Key];
            world.Note($"rescue of {Short(job.Key)} epoch {watched.Epoch}");
            Require(!watched.HasEnded, "I-2", $"job {Short(job.Key)} was rescued after its end");
            Require(watched.IsHeld, "I-11", $"job {Short(job.Key)} was rescued while nobody held it");
            Require(watched.LeaseUntil < world.Now, "I-11", $"job {Short(job.Key)} was rescued before its lease ran out");
            watched.IsHeld = false;
            watched.RescuedEpoch = watched.Epoch;
            watched.Excused++;
            watched.Crashes++;
            Require(watched.Crashes <= RescueJobs.MaxCrashes, "I-13", $"job {Short(job.Key)} lost its worker {watched.Crashes} times");
            watched.Append(job.Max(record => record.Seq), job.Count(), this);
            if (job.Any(record => record.Kind == JobEventKind.Final))
            {
                watched.End(null, this);
                world.Sometimes("a rescue ended its job");
            }
        }
    }

    public void Advanced(IReadOnlyList<JobEventRecord> events)
    {
        foreach (var record in events)
        {
            var watched = _jobs[record.JobId];
            Require(!watched.IsHeld && !watched.HasEnded, "P-1", $"job {Short(record.JobId)} was moved by time while held or ended");
            watched.Append(record.Seq, 1, this);
            if (record.Kind == JobEventKind.Final)
            {
                watched.End(watched.CancelRequested ? JobStatus.Cancelled : JobStatus.Failed, this);
                world.Sometimes(watched.CancelRequested ? "a cancel overtook a retry" : "a deadline passed while nobody worked");
            }
        }
    }

    public void Cancelled(Guid jobId, JobHead? head)
    {
        if (head is null)
        {
            world.Sometimes("a cancel came too late");
            return;
        }

        var watched = _jobs[jobId];
        world.Note($"cancel of {Short(jobId)}: {head.Value.Status}");
        Require(!watched.HasEnded, "I-2", $"a cancel changed job {Short(jobId)} after its end");
        watched.CancelRequested = true;
        if (head.Value.Status == JobStatus.Cancelled)
        {
            watched.Append(head.Value.LastSeq, 1, this);
            watched.End(JobStatus.Cancelled, this);
        }
    }

    internal void Require(bool holds, string invariant, string otherwise)
    {
        if (!holds)
        {
            Violate(invariant, otherwise);
        }
    }

    internal static string Short(Guid id) => id.ToString("N", null)[20..];

    private void RequireHolder(string who, string did, JobLease lease, Watched watched) =>
        Require(
            watched.IsHeld && watched.Epoch == lease.Epoch,
            "I-10",
            $"{who} {did} job {Short(lease.JobId)} under epoch {lease.Epoch}, but {(watched.IsHeld ? $"epoch {watched.Epoch} holds it" : "nobody holds it")}"
        );
}

/// <summary>What the referee knows of a job.</summary>
internal sealed class Watched(JobDraft draft)
{
    public JobDraft Draft { get; } = draft;

    public int Epoch { get; set; }

    public bool IsHeld { get; set; }

    /// <summary>The latest claim that a rescue ended.</summary>
    public int RescuedEpoch { get; set; }

    public bool HasEnded { get; private set; }

    /// <summary>Null when a rescue ended it.</summary>
    public JobStatus? EndedAs { get; private set; }

    public bool CancelRequested { get; set; }

    public int Claims { get; set; }

    public int Excused { get; set; }

    public int Crashes { get; set; }

    public int LastSeq { get; private set; } = 1;

    public DateTimeOffset LeaseUntil { get; set; }

    public int ProviderCalls { get; set; }

    public void Append(int lastSeq, int count, Referee referee)
    {
        referee.Require(
            lastSeq == LastSeq + count,
            "I-8",
            $"job {Referee.Short(Draft.Id)}: {count} events up to {lastSeq} were added after event {LastSeq}"
        );
        LastSeq = lastSeq;
    }

    public void End(JobStatus? status, Referee referee)
    {
        referee.Require(!HasEnded, "I-1", $"job {Referee.Short(Draft.Id)} ended twice");
        HasEnded = true;
        EndedAs = status;
    }
}
