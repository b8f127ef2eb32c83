namespace AiBackend.Web.Runs;

/// <summary>Log events 4020-4039 (docs/operations.md).</summary>
internal static partial class RunLog
{
    [LoggerMessage(4020, LogLevel.Information, "The stream of job {JobId} broke after event {Seq}, it is resumed from there: {Reason}")]
    public static partial void RunStreamBroke(this ILogger logger, Guid jobId, int seq, string reason);

    [LoggerMessage(
        4021,
        LogLevel.Warning,
        "The stream of job {JobId} skipped from event {Seq} to {NextSeq}; the missing ones were asked for"
    )]
    public static partial void RunStreamGap(this ILogger logger, Guid jobId, int seq, int nextSeq);

    [LoggerMessage(4022, LogLevel.Error, "The text of job {JobId} as streamed differed from the stored text and was replaced")]
    public static partial void RunTextReplaced(this ILogger logger, Guid jobId);

    [LoggerMessage(4023, LogLevel.Error, "Following job {JobId} ended with a defect")]
    public static partial void RunFeedFailed(this ILogger logger, Exception failure, Guid jobId);
}
