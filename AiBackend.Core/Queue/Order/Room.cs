using AiBackend.Core.Jobs;

namespace AiBackend.Core.Queue.Order;

/// <summary>What the capacity still has room for, job by job.</summary>
internal sealed class Room(Capacity capacity)
{
    private int _long = capacity.Running.Where(jobs => jobs.Length >= capacity.LongFrom).Sum(jobs => jobs.Count);
    private int _expectedLong = capacity.Running.Where(jobs => jobs.Expected >= capacity.LongFrom).Sum(jobs => jobs.Count);
    private int _batch = capacity.Running.Where(jobs => jobs.Level == JobPriority.Batch).Sum(jobs => jobs.Count);

    private int _free = capacity.Free;

    // What each tenant may still take of what is kept for it.
    private readonly Dictionary<Guid, int> _owed = capacity.Reserved.ToDictionary(
        tenant => tenant.Key,
        tenant => Math.Max(0, tenant.Value - HeldBy(tenant.Key, capacity))
    );

    // Where more is promised than may be kept, what is held already counts: those to whom it is have it between them, whoever comes first.
    private int _mayBeKept = capacity.MostReserved - capacity.Reserved.Sum(tenant => Math.Min(tenant.Value, HeldBy(tenant.Key, capacity)));

    /// <summary>Batch jobs hold less than they are promised.</summary>
    public bool OwesBatch => _batch < capacity.LeastBatch;

    /// <summary>What is still kept for its tenants, so that their next jobs need not wait for the dispatcher.</summary>
    /// <param name="inFlight">Jobs that may need or hold a slot in all.</param>
    /// <param name="inLine">Tenants whose jobs wait: their next ones wait behind these.</param>
    public KeptSlots Kept(int inFlight, HashSet<Guid> inLine)
    {
        var owed = _owed.Where(tenant => !inLine.Contains(tenant.Key)).ToDictionary();
        return new KeptSlots(inFlight, Math.Min(_mayBeKept, owed.Values.Sum()), owed);
    }

    public bool Has(WaitingJob job) => _free > KeptFrom(job) && (IsOwed(job) || IsWithinBounds(job));

    public void Take(WaitingJob job)
    {
        _long += IsLong(job) ? 1 : 0;
        _expectedLong += IsLong(job) ? 1 : 0;
        _batch += job.Level == JobPriority.Batch ? 1 : 0;
        _free--;
        if (IsOwed(job))
        {
            _owed[job.TenantId]--;
            _mayBeKept--;
        }
    }

    private static int HeldBy(Guid tenant, Capacity capacity) =>
        capacity.Running.Where(jobs => jobs.TenantId == tenant).Sum(jobs => jobs.Count);

    private int KeptFrom(WaitingJob job) =>
        _owed.Count == 0 ? 0 : Math.Max(0, Math.Min(_mayBeKept, _owed.Values.Sum()) - _owed.GetValueOrDefault(job.TenantId));

    // What is kept for its tenant is for all of its jobs: bounded as others, they would leave slots free that nobody else may have.
    private bool IsOwed(WaitingJob job) => _owed.GetValueOrDefault(job.TenantId) > 0;

    private bool IsWithinBounds(WaitingJob job) =>
        (!IsLong(job) || HasForLong(job)) && (job.Level != JobPriority.Batch || _batch < capacity.MostBatch);

    // Jobs that turn out to be long hold slots of long ones, so that enough are left for short ones; but whoever has waited for half as long as it
    // runs does not wait for the errors of others too. Else a few errors make long jobs wait several times as long (ShortBeforeLongTests).
    private bool HasForLong(WaitingJob job) =>
        _long < capacity.MostLong || (_expectedLong < capacity.MostLong && job.Waited >= JobLength.LongestOf(job.Length) / 2);

    private bool IsLong(WaitingJob job) => job.Length >= capacity.LongFrom;
}
