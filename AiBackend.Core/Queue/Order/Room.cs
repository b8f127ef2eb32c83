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
        tenant => Math.Max(0, tenant.Value - capacity.Running.Where(jobs => jobs.TenantId == tenant.Key).Sum(jobs => jobs.Count))
    );

    /// <summary>Batch jobs hold less than they are promised.</summary>
    public bool OwesBatch => _batch < capacity.LeastBatch;

    public bool Has(WaitingJob job) =>
        (!IsLong(job) || HasForLong(job)) && (job.Level != JobPriority.Batch || _batch < capacity.MostBatch) && _free > KeptFrom(job);

    public void Take(WaitingJob job)
    {
        _long += IsLong(job) ? 1 : 0;
        _expectedLong += IsLong(job) ? 1 : 0;
        _batch += job.Level == JobPriority.Batch ? 1 : 0;
        _free--;
        if (_owed.TryGetValue(job.TenantId, out var owed))
        {
            _owed[job.TenantId] = Math.Max(0, owed - 1);
        }
    }

    private int KeptFrom(WaitingJob job) =>
        _owed.Count == 0 ? 0 : Math.Min(capacity.MostReserved, _owed.Values.Sum() - _owed.GetValueOrDefault(job.TenantId));

    // Jobs that turn out to be long hold slots of long ones, so that enough are left for short ones; but whoever has waited for half as long as it
    // runs does not wait for the errors of others too. Else a few errors make long jobs wait several times as long (ShortBeforeLongTests).
    private bool HasForLong(WaitingJob job) =>
        _long < capacity.MostLong || (_expectedLong < capacity.MostLong && job.Waited >= JobLength.LongestOf(job.Length) / 2);

    private bool IsLong(WaitingJob job) => job.Length >= capacity.LongFrom;
}
