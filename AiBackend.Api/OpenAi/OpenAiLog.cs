namespace AiBackend.Api.OpenAi;

/// <summary>Log events 3060-3079 (docs/operations.md). Never pass a body or an answer.</summary>
internal static partial class OpenAiLog
{
    [LoggerMessage(3060, LogLevel.Warning, "Job {JobId} was left by its caller and could not be cancelled; it runs to its end")]
    public static partial void NotCancelled(this ILogger logger, Exception failure, Guid jobId);

    [LoggerMessage(3061, LogLevel.Error, "A step of batch {BatchId} failed; it is tried again until the batch's window is over")]
    public static partial void BatchStepFailed(this ILogger logger, Exception failure, Guid batchId);

    [LoggerMessage(3062, LogLevel.Warning, "Batches could not be looked for; trying again in a second")]
    public static partial void BatchesNotFound(this ILogger logger, Exception failure);
}
