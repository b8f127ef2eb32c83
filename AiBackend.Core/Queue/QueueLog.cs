using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Queue;

/// <summary>Log events 1100-1199 (docs/operations.md).</summary>
internal static partial class QueueLog
{
    [LoggerMessage(1102, LogLevel.Warning, "The consumer group of {Stream} was missing and has been created again")]
    public static partial void GroupRecreated(this ILogger logger, string stream);

    [LoggerMessage(1103, LogLevel.Information, "Offered {Count} queued jobs to workers again")]
    public static partial void JobsOfferedAgain(this ILogger logger, int count);
}
