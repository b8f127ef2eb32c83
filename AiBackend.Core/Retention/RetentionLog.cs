using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Retention;

/// <summary>Log events 1800-1899 (docs/operations.md).</summary>
internal static partial class RetentionLog
{
    [LoggerMessage(1800, LogLevel.Information, "Added partitions for {Count} weeks of jobs")]
    public static partial void PartitionsAdded(this ILogger logger, int count);

    [LoggerMessage(1801, LogLevel.Information, "Dropped partition {Partition}: its jobs are older than the retention")]
    public static partial void PartitionDropped(this ILogger logger, string partition);

    [LoggerMessage(1802, LogLevel.Warning, "Partitions could not be changed because the tables are in use; trying again in a minute")]
    public static partial void PartitionsBusy(this ILogger logger, Exception failure);

    [LoggerMessage(
        1803,
        LogLevel.Warning,
        "{Count} dead letters that nobody had replayed or discarded were deleted with their jobs (partition {Partition})"
    )]
    public static partial void OpenLettersExpired(this ILogger logger, long count, string partition);

    [LoggerMessage(1804, LogLevel.Warning, "Retention could not {Part}; the rest goes on, and this is tried again in {Minutes} min")]
    public static partial void RetentionFailed(this ILogger logger, Exception failure, string part, double minutes);
}
