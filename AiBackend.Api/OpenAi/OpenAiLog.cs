namespace AiBackend.Api.OpenAi;

/// <summary>Log events 3060-3079 (docs/operations.md). Never pass a body or an answer.</summary>
internal static partial class OpenAiLog
{
    [LoggerMessage(3060, LogLevel.Warning, "Job {JobId} was left by its caller and could not be cancelled; it runs to its end")]
    public static partial void NotCancelled(this ILogger logger, Exception failure, Guid jobId);
}
