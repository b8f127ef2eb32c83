using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Database;

/// <summary>Log events 1400-1499 (docs/operations.md).</summary>
internal static partial class DatabaseLog
{
    [LoggerMessage(1400, LogLevel.Information, "Applied migration {Name}")]
    public static partial void MigrationApplied(this ILogger logger, string name);

    [LoggerMessage(1401, LogLevel.Warning, "Postgres did not do what it was asked ({Trouble}); what can wait for it waits")]
    public static partial void StorageTroubled(this ILogger logger, Exception failure, StorageTrouble trouble);

    [LoggerMessage(1402, LogLevel.Information, "Postgres answers again after {Seconds} s")]
    public static partial void StorageReturned(this ILogger logger, double seconds);
}
