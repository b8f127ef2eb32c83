using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Queue;

/// <summary>How jobs reach workers. Section <c>Queue</c>; changes need a restart.</summary>
public sealed class QueueOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Queue";

    /// <summary>
    /// Job ids that may wait in Redis for a worker to read them, whatever the slots. Default 1024. In general it is far fewer: no more
    /// than slots are free, so that the order of jobs is decided late. What does not fit waits in Postgres.
    /// </summary>
    [Range(16, 100_000)]
    public int ReadyLimit { get; set; } = 1024;

    /// <summary>Age at which a queued job that nobody claimed is offered again. Default 5 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan OfferAgainAfter { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Wait after which a job of any priority and length has a share in every fourth turn, oldest first, so that nothing waits for ever
    /// behind newer, more urgent or shorter work. Default 5 min.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan AgeUpAfter { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Longest that interactive jobs should wait. Beyond it batch jobs get fewer slots, down to a tenth; when the wait is well below it again,
    /// more. Default 2 s.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:10:00")]
    public TimeSpan InteractiveGoal { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Tiers of tenants by name. The ones that exist by default may be changed, and others added.</summary>
    public Dictionary<string, TierOptions> Tiers { get; init; } =
        new(StringComparer.Ordinal)
        {
            ["free"] = new() { Weight = 1, Highest = "standard" },
            [QueueTiers.Standard] = new() { Weight = 4, Highest = "interactive" },
            ["premium"] = new() { Weight = 16, Highest = "interactive" },
        };

    /// <summary>Pools besides the default one. The same for the Api, which decides, and for the workers, which serve them.</summary>
    public List<PoolOptions> Pools { get; init; } = [];
}
