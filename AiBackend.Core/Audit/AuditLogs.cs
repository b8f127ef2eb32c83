using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Audit;

/// <summary>Log events 2900-2999 (docs/operations.md).</summary>
internal static partial class AuditLogs
{
    [LoggerMessage(2900, LogLevel.Warning, "Refused {Action} to {Actor} could not be written to the audit log")]
    public static partial void RefusalNotRecorded(this ILogger logger, Exception failure, string action, string actor);

    [LoggerMessage(2901, LogLevel.Warning, "{Action} of {Actor}, and perhaps others, were not written to the audit log: too many waited")]
    public static partial void NotesDropped(this ILogger logger, string action, string actor);

    [LoggerMessage(2902, LogLevel.Information, "The audit log stood at row {Seq} with the hash {Hash}")]
    public static partial void AuditAnchored(this ILogger logger, long seq, string hash);
}
