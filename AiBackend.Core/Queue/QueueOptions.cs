using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Queue;

/// <summary>How jobs reach workers. Section <c>Queue</c>; changes need a restart.</summary>
public sealed class QueueOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Queue";

    /// <summary>
    /// Job ids that may wait in Redis. Default 1024, about twice the slots of two workers: the shorter this list, the later
    /// the order of jobs is decided. What does not fit waits in Postgres.
    /// </summary>
    [Range(16, 100_000)]
    public int ReadyLimit { get; set; } = 1024;

    /// <summary>Age at which a queued job that nobody claimed is offered again. Default 5 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan OfferAgainAfter { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Wait after which a job of any priority stands among the most urgent, oldest first, so that nothing waits for ever behind
    /// newer urgent work. Default 5 min.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan AgeUpAfter { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Pools besides the default one. The same for the Api, which decides, and for the workers, which serve them.</summary>
    public List<PoolOptions> Pools { get; init; } = [];
}
