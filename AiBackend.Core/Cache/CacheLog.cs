using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Cache;

/// <summary>Log events 2600-2699 (docs/operations.md).</summary>
internal static partial class CacheLog
{
    [LoggerMessage(2600, LogLevel.Warning, "Job {JobId} asks for itself, because Postgres did not say whether an equal one has an answer")]
    public static partial void NotShared(this ILogger logger, Exception failure, Guid jobId);
}
