using AiBackend.Core.Queue;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution;

/// <summary>A few slots beyond the others, for the jobs of other models while one model fills those (F-23).</summary>
/// <remarks>
/// A provider that has become slow holds the slots of its calls for a minute each, and until then nobody knows. Keeping slots free of each
/// model at all times would waste them, as most installations have one model; these are used only then, and cost what an idle slot does.
/// </remarks>
internal sealed class SpareSlots(SlotUse slots, HeldLeases held, FindJobsOfOtherModels others, IOptions<WorkerOptions> options)
{
    /// <summary>What waits for less may be next in line.</summary>
    private static readonly TimeSpan Waited = TimeSpan.FromMilliseconds(250);

    /// <summary>How many there are; of few slots none.</summary>
    public int Count => options.Value.Spare;

    /// <summary>Of these slots too no model has more than half, so that there are some for the next one that is slow.</summary>
    private int MostOfOne => Math.Max(1, Count / 2);

    /// <returns>Jobs that may be claimed for them; none unless one model has half of the slots and all are taken.</returns>
    public async Task<Guid[]> FindAsync(int limit, CancellationToken cancellationToken)
    {
        if (slots.Free > 0)
        {
            return [];
        }

        var models = held.Snapshot().CountBy(lease => lease.Job.Job.Model).ToList();
        if (!models.Exists(model => model.Value * 2 >= options.Value.MaxConcurrentJobs))
        {
            return [];
        }

        string[] many = [.. models.Where(model => model.Value >= MostOfOne).Select(model => model.Key)];
        var most = models.Where(model => model.Value < MostOfOne).Select(model => model.Value).DefaultIfEmpty().Max();
        return await others.RunAsync(many, Waited, MostOfOne - most, Math.Min(limit, MostOfOne), cancellationToken);
    }
}
