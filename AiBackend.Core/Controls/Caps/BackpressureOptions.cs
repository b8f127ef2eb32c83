using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Controls.Caps;

/// <summary>How much may wait before new jobs are refused. Section <c>Backpressure</c>; changes need a restart. 0 is no limit.</summary>
public sealed class BackpressureOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Backpressure";

    /// <summary>Jobs of all tenants that may wait: queued, scheduled, or for their next attempt. Default 1 000 000.</summary>
    [Range(0, 100_000_000)]
    public long MaxQueued { get; set; } = 1_000_000;

    /// <summary>The same for each tenant that has no number of its own. Default 250 000.</summary>
    [Range(0, 100_000_000)]
    public long MaxQueuedPerTenant { get; set; } = 250_000;

    /// <summary>Longest that a new job may be expected to wait, by how fast jobs end now. Default 0.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "30.00:00:00")]
    public TimeSpan MaxWait { get; set; }

    /// <summary>The same for the jobs of one tenant, if all tenants that wait share alike. Default 0.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "30.00:00:00")]
    public TimeSpan MaxWaitPerTenant { get; set; }
}
