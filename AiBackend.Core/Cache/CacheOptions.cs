using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Cache;

/// <summary>How long answers are kept for equal requests, and how many. Section <c>Cache</c>; changes need a restart.</summary>
public sealed class CacheOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Cache";

    /// <summary>How long an answer serves others. Default 1 h.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "30.00:00:00")]
    public TimeSpan TimeToLive { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Answers kept for each tenant; the oldest go first. Default 10 000.</summary>
    [Range(1, 10_000_000)]
    public int MaxAnswersPerTenant { get; set; } = 10_000;

    /// <summary>Characters of the longest answer that is kept. Default 262 144.</summary>
    [Range(1, 10_000_000)]
    public int LongestAnswer { get; set; } = 256 * 1024;
}
