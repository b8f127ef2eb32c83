using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Audit;

/// <summary>Log events 2900-2999 (docs/operations.md).</summary>
internal static partial class AuditLogs
{
    [LoggerMessage(2900, LogLevel.Warning, "Refused {Action} to {Actor} could not be written to the audit log")]
    public static partial void RefusalNotRecorded(this ILogger logger, Exception failure, string action, string actor);
}
