using AiBackend.Core.DeadLetters.Bulk;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.DeadLetters;

/// <summary>Log events 1700-1799 (docs/operations.md). Never pass a prompt, a completion or an API key; a key's public id may appear.</summary>
internal static partial class DeadLettersLog
{
    [LoggerMessage(1700, LogLevel.Information, "Job {JobId} was replayed as {NewJobId} by key {KeyId}")]
    public static partial void JobReplayed(this ILogger logger, Guid jobId, Guid newJobId, string keyId);

    [LoggerMessage(1701, LogLevel.Information, "Dead letter {JobId} was discarded by key {KeyId}")]
    public static partial void DeadLetterDiscarded(this ILogger logger, Guid jobId, string keyId);

    [LoggerMessage(1710, LogLevel.Error, "Alert {Rule} was raised for {Cause} ({Value}) of tenant {TenantId}")]
    public static partial void AlertRaised(this ILogger logger, string rule, string cause, long value, Guid tenantId);

    [LoggerMessage(1702, LogLevel.Information, "Bulk {Kind} {BulkActionId} of {Letters} dead letters began, by key {KeyId}")]
    public static partial void BulkActionBegan(this ILogger logger, Guid bulkActionId, BulkKind kind, long letters, string keyId);

    [LoggerMessage(1703, LogLevel.Information, "Bulk action {BulkActionId} was carried out")]
    public static partial void BulkActionCompleted(this ILogger logger, Guid bulkActionId);

    [LoggerMessage(1704, LogLevel.Warning, "Bulk action {BulkActionId} was stopped: its new job {JobId} died of its old cause")]
    public static partial void BulkActionStopped(this ILogger logger, Guid bulkActionId, Guid jobId);

    [LoggerMessage(1705, LogLevel.Warning, "A step of bulk action {BulkActionId} failed; it is tried again in 10 s")]
    public static partial void BulkActionFailed(this ILogger logger, Exception failure, Guid bulkActionId);

    [LoggerMessage(1706, LogLevel.Warning, "Bulk action {BulkActionId} was cancelled: whoever began it may not do it any more")]
    public static partial void BulkActionKeyRevoked(this ILogger logger, Guid bulkActionId);
}
