using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Queue;

/// <summary>Log events 1100-1199 (docs/operations.md).</summary>
internal static partial class QueueLog
{
    [LoggerMessage(
        1102,
        LogLevel.Warning,
        "There was no consumer group of {Stream}, and it was made: this is a first start, or Redis has lost what it held"
    )]
    public static partial void GroupRecreated(this ILogger logger, string stream);

    [LoggerMessage(1103, LogLevel.Information, "Offered {Count} queued jobs to workers again")]
    public static partial void JobsOfferedAgain(this ILogger logger, int count);

    [LoggerMessage(1104, LogLevel.Warning, "{Key} held something that is not a stream; it was removed and the stream begun anew")]
    public static partial void ForeignKeyRemoved(this ILogger logger, string key);

    [LoggerMessage(1105, LogLevel.Warning, "{Count} entries were removed from {Stream} while workers held them, and not by a worker")]
    public static partial void EntriesVanished(this ILogger logger, int count, string stream);

    [LoggerMessage(1106, LogLevel.Warning, "Removed {Count} entries of {Stream} that no worker would ever have been given")]
    public static partial void OrphansRemoved(this ILogger logger, int count, string stream);

    [LoggerMessage(1107, LogLevel.Information, "Batch jobs may hold {Share:P0} of the slots; interactive ones wait for up to {Wait}")]
    public static partial void BatchShareChanged(this ILogger logger, double share, TimeSpan wait);

    [LoggerMessage(
        1108,
        LogLevel.Information,
        "Of the jobs that may be moved to a faster model {Share:P0} get their usual one; interactive ones wait for up to {Wait}"
    )]
    public static partial void UsualShareChanged(this ILogger logger, double share, TimeSpan wait);
}
