using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Providers.Circuits;

/// <summary>When a deployment counts as down, and for how long nobody asks it. Section <c>CircuitBreaker</c>; changes need a restart.</summary>
public sealed class CircuitOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "CircuitBreaker";

    /// <summary>How far back calls count. Default 30 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan Window { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Calls in the window below which nothing is concluded. Default 5.</summary>
    [Range(1, 10_000)]
    public int MinimumCalls { get; set; } = 5;

    /// <summary>Share of them that must have been outages. Default a half.</summary>
    [Range(0.01, 1.0)]
    public double FailureRatio { get; set; } = 0.5;

    /// <summary>How long nobody asks, the first time; up to half as long again by chance. Default 10 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan OpenFor { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>What <see cref="OpenFor"/> doubles up to while probes fail. Default 30 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "01:00:00")]
    public TimeSpan LongestOpen { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Between two calls by which workers find out whether a provider is well, of all workers together. Default 5 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan ProbeEvery { get; set; } = TimeSpan.FromSeconds(5);
}
