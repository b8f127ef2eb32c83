namespace AiBackend.Worker.Quarantine;

/// <summary>Log events 2300-2399 (docs/operations.md).</summary>
internal static partial class QuarantineLog
{
    [LoggerMessage(
        2300,
        LogLevel.Information,
        "Started quarantine process {ProcessId}; {Count} jobs whose worker died twice wait to run alone"
    )]
    public static partial void QuarantineStarted(this ILogger logger, int processId, long count);

    [LoggerMessage(2301, LogLevel.Warning, "Quarantine process {ProcessId} died with exit code {ExitCode} and {Count} jobs")]
    public static partial void QuarantineDied(this ILogger logger, int processId, int exitCode, int count);

    [LoggerMessage(
        2302,
        LogLevel.Warning,
        "The leases of dead quarantine process {ProcessId} could not be released; they run out by themselves"
    )]
    public static partial void ReleaseFailed(this ILogger logger, Exception failure, int processId);

    [LoggerMessage(2303, LogLevel.Error, "A quarantine process could not be started; jobs whose worker died twice wait until one can be")]
    public static partial void QuarantineNotStarted(this ILogger logger, Exception failure);

    [LoggerMessage(2304, LogLevel.Warning, "Quarantine process {ProcessId} did not end in time and was killed")]
    public static partial void QuarantineKilled(this ILogger logger, int processId);

    [LoggerMessage(2305, LogLevel.Warning, "Running job {JobId} alone: its worker died {Crashes} times")]
    public static partial void RunningAlone(this ILogger logger, Guid jobId, int crashes);

    [LoggerMessage(2306, LogLevel.Warning, "No suspect could be taken; looking again soon")]
    public static partial void SuspectNotTaken(this ILogger logger, Exception failure);

    [LoggerMessage(2307, LogLevel.Information, "The worker that started this quarantine process is stopping or gone; its job goes back")]
    public static partial void ParentGone(this ILogger logger);
}
