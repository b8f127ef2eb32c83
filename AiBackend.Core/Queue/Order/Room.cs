using AiBackend.Core.Jobs;

namespace AiBackend.Core.Queue.Order;

/// <summary>What the capacity still has room for, job by job.</summary>
internal sealed class Room(Capacity capacity)
{
    private int _long = capacity.Running.Where(jobs => jobs.Length >= capacity.LongFrom).Sum(jobs => jobs.Count);
    private int _batch = capacity.Running.Where(jobs => jobs.Level == JobPriority.Batch).Sum(jobs => jobs.Count);

    /// <summary>Batch jobs hold less than they are promised.</summary>
    public bool OwesBatch => _batch < capacity.LeastBatch;

    public bool Has(WaitingJob job) =>
        (!IsLong(job) || _long < capacity.MostLong) && (job.Level != JobPriority.Batch || _batch < capacity.MostBatch);

    public void Take(WaitingJob job)
    {
        _long += IsLong(job) ? 1 : 0;
        _batch += job.Level == JobPriority.Batch ? 1 : 0;
    }

    private bool IsLong(WaitingJob job) => job.Length >= capacity.LongFrom;
}
