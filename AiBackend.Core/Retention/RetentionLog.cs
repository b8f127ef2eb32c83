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
}
