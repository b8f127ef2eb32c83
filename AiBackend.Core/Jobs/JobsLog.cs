using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Jobs;

/// <summary>Log events 1000-1099 (docs/operations.md). Never pass a prompt, a completion or an API key.</summary>
internal static partial class JobsLog
{
    [LoggerMessage(1000, LogLevel.Error, "Postgres refused job {JobId}; its caller was told so")]
    public static partial void SubmissionRefused(this ILogger logger, Exception failure, Guid jobId);

    [LoggerMessage(1001, LogLevel.Warning, "Lease of job {JobId} was lost during attempt {Attempt}; what it wrote late was discarded")]
    public static partial void LeaseLost(this ILogger logger, Guid jobId, int attempt);

    [LoggerMessage(
        1003,
        LogLevel.Error,
        "Postgres refused what attempt {Attempt} of job {JobId} wrote; the job will be rescued when its lease expires"
    )]
    public static partial void LeasedWriteRefused(this ILogger logger, Exception failure, Guid jobId, int attempt);
}
