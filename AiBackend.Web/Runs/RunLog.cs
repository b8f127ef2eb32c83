namespace AiBackend.Web.Runs;

/// <summary>Log events 0820–0839 (docs/operations.md).</summary>
internal static partial class RunLog
{
    [LoggerMessage(820, LogLevel.Information, "The stream of job {JobId} broke after event {Seq}, it is resumed from there: {Reason}")]
    public static partial void RunStreamBroke(this ILogger logger, Guid jobId, int seq, string reason);

    [LoggerMessage(
        821,
        LogLevel.Warning,
        "The stream of job {JobId} skipped from event {Seq} to {NextSeq}; the missing ones were asked for"
    )]
    public static partial void RunStreamGap(this ILogger logger, Guid jobId, int seq, int nextSeq);

    [LoggerMessage(822, LogLevel.Error, "The text of job {JobId} as streamed differed from the stored text and was replaced")]
    public static partial void RunTextReplaced(this ILogger logger, Guid jobId);

    [LoggerMessage(823, LogLevel.Error, "Following job {JobId} ended with a defect")]
    public static partial void RunFeedFailed(this ILogger logger, Exception failure, Guid jobId);
}
