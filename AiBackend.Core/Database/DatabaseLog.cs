using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Database;

/// <summary>Log events 1400-1499 (docs/operations.md).</summary>
internal static partial class DatabaseLog
{
    [LoggerMessage(1400, LogLevel.Information, "Applied migration {Name}")]
    public static partial void MigrationApplied(this ILogger logger, string name);
}
