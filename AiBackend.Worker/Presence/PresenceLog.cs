namespace AiBackend.Worker.Presence;

internal static partial class PresenceLog
{
    [LoggerMessage(2400, LogLevel.Warning, "The process of worker {WorkerId} has ended; its {Jobs} running jobs are given to others")]
    public static partial void WorkerGone(this ILogger logger, Guid workerId, int jobs);

    [LoggerMessage(
        2401,
        LogLevel.Warning,
        "The session that shows others that this worker lives has ended; opening another. Until then they would wait for its leases if it died"
    )]
    public static partial void PresenceLost(this ILogger logger, Exception exception);
}
