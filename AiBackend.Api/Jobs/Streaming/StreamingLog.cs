namespace AiBackend.Api.Jobs.Streaming;

/// <summary>Log events 3020-3039 (docs/operations.md). Never pass an event's payload.</summary>
internal static partial class StreamingLog
{
    [LoggerMessage(3020, LogLevel.Warning, "Events of job {JobId} after {After} could not be read; trying again until the reader leaves")]
    public static partial void StreamInterrupted(this ILogger logger, Exception failure, Guid jobId, int after);

    [LoggerMessage(3021, LogLevel.Error, "Events of job {JobId} after {After} could not be read; the reader was cut off")]
    public static partial void StreamFailed(this ILogger logger, Exception failure, Guid jobId, int after);

    [LoggerMessage(3022, LogLevel.Warning, "Job {JobId} could not be watched because Postgres did not answer; its reader was told so")]
    public static partial void WatchRefused(this ILogger logger, Exception failure, string jobId);
}
