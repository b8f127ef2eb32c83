namespace AiBackend.Core.Queue.Allocation;

/// <summary>What is given to interactive work while it waits too long: slots of batch, and the time that a faster model saves. Pure.</summary>
public sealed class AdaptiveAllocation
{
    private readonly InteractiveLoad _load;
    private readonly BatchAllowance _batch;
    private readonly ModelAllowance _models;

    /// <param name="goal">Longest that interactive jobs should wait.</param>
    public AdaptiveAllocation(TimeSpan goal)
    {
        _load = new InteractiveLoad(goal);
        (_batch, _models) = (new BatchAllowance(_load), new ModelAllowance(_load));
    }

    /// <summary>The share of the slots that batch jobs may hold.</summary>
    public double BatchShare => _batch.Share;

    /// <summary>The share of the jobs with a free choice of model that get the usual one.</summary>
    public double UsualShare => _models.Share;

    /// <summary>Takes note of what interactive jobs want; once a second or so.</summary>
    /// <param name="now">Time on any clock that does not go back.</param>
    /// <param name="demand">Of now.</param>
    /// <param name="slots">Of all workers.</param>
    public void Observe(TimeSpan now, InteractiveDemand demand, int slots)
    {
        if (!_load.Observe(now, demand, slots))
        {
            return;
        }

        _batch.Adjust();
        if (_models.Adjust())
        {
            _batch.Trim();
        }
    }

    /// <summary>Slots that batch may hold.</summary>
    public int MostBatchOf(int slots) => BatchShare >= 1 ? int.MaxValue : Math.Max(SlotShares.LeastBatch(slots), (int)(BatchShare * slots));
}
