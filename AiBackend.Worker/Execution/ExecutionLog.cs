using AiBackend.Core.Jobs;

namespace AiBackend.Worker.Execution;

/// <summary>Log events 2000-2099 (docs/operations.md). Never pass a prompt, a completion or an API key.</summary>
internal static partial class ExecutionLog
{
    [LoggerMessage(
        2000,
        LogLevel.Error,
        "Outcome of attempt {Attempt} of {JobType} job {JobId} could not be recorded; the job will be rescued when its lease expires"
    )]
    public static partial void AttemptAbandoned(this ILogger logger, Exception failure, Guid jobId, JobType jobType, int attempt);

    [LoggerMessage(2001, LogLevel.Warning, "Attempt {Attempt} of job {JobId} failed: {ErrorCode}")]
    public static partial void AttemptFailed(this ILogger logger, Exception? failure, Guid jobId, int attempt, string errorCode);

    [LoggerMessage(2002, LogLevel.Warning, "That this worker stopped could not be recorded; it will be shown as lost")]
    public static partial void StopNotRecorded(this ILogger logger, Exception failure);

    [LoggerMessage(
        2003,
        LogLevel.Warning,
        "Stopped {Count} jobs whose leases could not be renewed for {Seconds} s; another worker will run them"
    )]
    public static partial void LeasesGivenUp(this ILogger logger, int count, double seconds);

    [LoggerMessage(2004, LogLevel.Warning, "No jobs could be taken; looking again soon")]
    public static partial void IntakeFailed(this ILogger logger, Exception failure);

    [LoggerMessage(2005, LogLevel.Information, "Stopping: no new jobs, {Count} running ones have {Seconds} s to finish")]
    public static partial void Draining(this ILogger logger, int count, double seconds);

    [LoggerMessage(2006, LogLevel.Warning, "Postgres could not be asked which running jobs were cancelled; asking again")]
    public static partial void CancelLookFailed(this ILogger logger, Exception failure);

    [LoggerMessage(2007, LogLevel.Error, "The leases of running jobs could not be renewed; they are given up unless the next try succeeds")]
    public static partial void RenewalFailed(this ILogger logger, Exception failure);

    [LoggerMessage(2008, LogLevel.Warning, "Which deployments are down could not be told to the Api; trying again in a second")]
    public static partial void CircuitReportFailed(this ILogger logger, Exception failure);

    [LoggerMessage(
        2009,
        LogLevel.Warning,
        "Postgres did not answer when something for attempt {Attempt} of job {JobId} was looked up; it waits"
    )]
    public static partial void LookUpFailed(this ILogger logger, Exception failure, Guid jobId, int attempt);

    [LoggerMessage(2010, LogLevel.Error, "The code tool {Tool} threw in attempt {Attempt} of job {JobId}")]
    public static partial void CodeToolFailed(this ILogger logger, Exception failure, string tool, Guid jobId, int attempt);
}
