using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Redis;

/// <summary>Log events 1500-1599 (docs/operations.md).</summary>
internal static partial class RedisLog
{
    [LoggerMessage(1500, LogLevel.Warning, "Redis is not available; jobs are found in Postgres meanwhile")]
    public static partial void RedisUnavailable(this ILogger logger, Exception failure);

    [LoggerMessage(1501, LogLevel.Warning, "Redis did not answer within {Seconds} s; the connection was replaced")]
    public static partial void RedisReplaced(this ILogger logger, double seconds);
}
