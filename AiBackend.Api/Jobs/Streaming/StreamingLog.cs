namespace AiBackend.Api.Jobs.Streaming;

/// <summary>Log events 3020-3039 (docs/operations.md). Never pass an event's payload.</summary>
internal static partial class StreamingLog
{
    [LoggerMessage(3021, LogLevel.Error, "Events of job {JobId} after {After} could not be read; the reader was cut off")]
    public static partial void StreamFailed(this ILogger logger, Exception failure, Guid jobId, int after);
}
