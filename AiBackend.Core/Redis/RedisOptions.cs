using System.ComponentModel.DataAnnotations;

namespace AiBackend.Core.Redis;

/// <summary>How this process talks to Redis. Section <c>Redis</c>; changes need a restart.</summary>
public sealed class RedisOptions
{
    /// <summary>Configuration section.</summary>
    public const string SectionName = "Redis";

    /// <summary>Longest a command may take before the connection is replaced. Default 2 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:00:30")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Prefix of every key and channel, so that several installations can share one Redis. Default <c>aib</c>.</summary>
    [Required, RegularExpression("^[a-z0-9-]{1,32}$")]
    public string KeyPrefix { get; set; } = "aib";
}
