using AiBackend.Core.Jobs;

namespace AiBackend.Core.Queue.Order;

/// <summary>What the capacity still has room for, job by job.</summary>
internal sealed class Room(Capacity capacity)
{
    private int _long = capacity.Running.Where(jobs => jobs.Length >= capacity.LongFrom).Sum(jobs => jobs.Count);
    private int _expectedLong = capacity.Running.Where(jobs => jobs.Expected >= capacity.LongFrom).Sum(jobs => jobs.Count);
    private int _batch = capacity.Running.Where(jobs => jobs.Level == JobPriority.Batch).Sum(jobs => jobs.Count);

    /// <summary>Batch jobs hold less than they are promised.</summary>
    public bool OwesBatch => _batch < capacity.LeastBatch;

    public bool Has(WaitingJob job) => (!IsLong(job) || HasForLong(job)) && (job.Level != JobPriority.Batch || _batch < capacity.MostBatch);

    public void Take(WaitingJob job)
    {
        _long += IsLong(job) ? 1 : 0;
        _expectedLong += IsLong(job) ? 1 : 0;
        _batch += job.Level == JobPriority.Batch ? 1 : 0;
    }

    // Jobs that turn out to be long hold slots of long ones, so that enough are left for short ones; but whoever has waited for half as long as it
    // runs does not wait for the errors of others too. Else a few errors make long jobs wait several times as long (ShortBeforeLongTests).
    private bool HasForLong(WaitingJob job) =>
        _long < capacity.MostLong || (_expectedLong < capacity.MostLong && job.Waited >= JobLength.LongestOf(job.Length) / 2);

    private bool IsLong(WaitingJob job) => job.Length >= capacity.LongFrom;
}
