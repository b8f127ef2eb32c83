using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Controls;

/// <summary>Log events 2500-2599 (docs/operations.md).</summary>
internal static partial class ControlsLog
{
    [LoggerMessage(2500, LogLevel.Warning, "Now {Mode}: {Kind} {Name}, by key {KeyId}")]
    public static partial void WorkHeld(this ILogger logger, string mode, string kind, string name, string keyId);

    [LoggerMessage(2501, LogLevel.Information, "Resumed {Kind} {Name}, by key {KeyId}")]
    public static partial void WorkResumed(this ILogger logger, string kind, string name, string keyId);

    [LoggerMessage(2502, LogLevel.Warning, "What waits could not be counted; the limits of the queue go by an older count")]
    public static partial void QueueNotCounted(this ILogger logger, Exception failure);
}
