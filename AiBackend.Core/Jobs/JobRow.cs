using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs.Versions;
using Npgsql;

namespace AiBackend.Core.Jobs;

/// <summary>Turns a row of <see cref="JobReads"/> into the job of the wire.</summary>
internal static class JobRow
{
    private static readonly IReadOnlyDictionary<string, string> NoMetadata = new Dictionary<string, string>(StringComparer.Ordinal);

    public static Job Read(NpgsqlDataReader row, StoredShapes shapes)
    {
        var status = (JobStatus)row.GetInt16(2);
        var dueAt = row.GetFieldValue<DateTimeOffset>(11);
        return new Job
        {
            Id = row.GetGuid(0),
            Type = ((JobType)row.GetInt16(1)).ToWire(),
            Status = status.ToWire(),
            Model = row.GetString(3),
            Feature = Text(row, 4),
            Priority = ((JobPriority)row.GetInt16(5)).ToWire(),
            CreatedAt = row.GetFieldValue<DateTimeOffset>(6),
            StartedAt = Time(row, 7),
            FinishedAt = Time(row, 8),
            Attempt = row.GetInt16(9),
            MaxAttempts = row.GetInt16(10),
            Queue = Place(status, row.IsDBNull(31) ? null : row.GetInt64(31), row.GetInt16(32), Text(row, 33), Text(row, 35)),
            NextAttemptAt = status is JobStatus.Scheduled or JobStatus.Retrying ? dueAt : null,
            Deadline = Time(row, 12),
            Error = Text(row, 13) is { } code ? Error(code, row.GetString(14), row.GetString(15)) : null,
            TraceId = TraceIdOf(Text(row, 16)),
            ReplayOf = row.IsDBNull(17) ? null : row.GetGuid(17),
            Title = Text(row, 18),
            Metadata = Text(row, 19) is { } metadata
                ? JsonSerializer.Deserialize(metadata, WireJson.Default.IReadOnlyDictionaryStringString)!
                : NoMetadata,
            Usage = row.IsDBNull(20) ? null : Usage(row),
            ServedBy = Text(row, 24) is { } provider
                ? new ServedBy(provider, row.GetString(25), Text(row, 26), row.GetInt16(27), row.GetBoolean(28))
                {
                    Cache = Text(row, 36) ?? ServedBy.Miss,
                    Prompt = Text(row, 41),
                }
                : null,
            Output = Text(row, 29) is { } text
                ? Output(
                    shapes.Outputs.Read(
                        row.GetInt16(34),
                        new(text, row.GetFieldValue<string[]>(30)) { ToolCalls = Text(row, 38), FinishReason = Text(row, 39) }
                    ),
                    isJson: (JobType)row.GetInt16(1) == JobType.Workflow || (Text(row, 40) is not null && status == JobStatus.Completed)
                )
                : null,
            Contract = ContractChecksJson.Verdict(Text(row, 40)),
            ConversationId = row.IsDBNull(42) ? null : row.GetGuid(42),
            Context = JobContextJson.Read(Text(row, 43)),
            Attachments = Files(row, 44),
            Artifacts = Files(row, 45),
            Links = JobLinks.Of(row.GetGuid(0)),
        };
    }

    internal static JobError Error(string code, string errorClass, string message) =>
        new(code, errorClass, message, Retryable: errorClass is not ("caller_error" or "provider_auth") && code != "poison");

    /// <summary>The trace id inside a W3C traceparent, <c>00-{trace id}-{span id}-{flags}</c>.</summary>
    internal static string? TraceIdOf(string? traceParent) => traceParent is { Length: 55 } ? traceParent[3..35] : null;

    internal static QueuePlace? Place(JobStatus status, long? position, int crashes, string? reason, string? heldBy = null) =>
        status switch
        {
            JobStatus.Queued when heldBy is not null => new QueuePlace(null, null, null, $"{WaitingReasons.Paused}:{heldBy}"),
            // Its place among the others says nothing about when its turn comes.
            JobStatus.Queued when crashes >= RescueJobs.AloneAfter => new QueuePlace(null, null, null, WaitingReasons.Isolation),
            JobStatus.Queued => new QueuePlace(position, null, null, WaitingReasons.Capacity),
            JobStatus.Scheduled => new QueuePlace(null, null, null, WaitingReasons.Scheduled),
            JobStatus.Retrying => new QueuePlace(position, null, null, reason ?? WaitingReasons.Backoff),
            JobStatus.WaitingForTool => new QueuePlace(null, null, null, WaitingReasons.Tool),
            JobStatus.WaitingForReview => new QueuePlace(null, null, null, WaitingReasons.Review),
            _ => null,
        };

    // A reviewer may have let another text pass, and a run may give a text.
    private static JobOutput Output(StoredOutput stored, bool isJson) =>
        new(stored.Text, isJson ? StoredJson.ValueOf(stored.Text) : null, stored.Missing)
        {
            ToolCalls = ToolCallsJson.Read(stored.ToolCalls),
            FinishReason = stored.FinishReason,
        };

    private static JobUsage Usage(NpgsqlDataReader row) =>
        new(
            row.GetInt64(20),
            row.IsDBNull(21) ? 0 : row.GetInt64(21),
            row.IsDBNull(22) ? 0 : row.GetInt64(22),
            row.IsDBNull(23) ? null : row.GetDecimal(23)
        )
        {
            ReasoningTokens = row.IsDBNull(37) ? 0 : row.GetInt64(37),
        };

    private static IReadOnlyList<JobFile>? Files(NpgsqlDataReader row, int ordinal) =>
        Text(row, ordinal) is { } json ? JsonSerializer.Deserialize(json, WireJson.Default.IReadOnlyListJobFile) : null;

    private static string? Text(NpgsqlDataReader row, int ordinal) => row.IsDBNull(ordinal) ? null : row.GetString(ordinal);

    private static DateTimeOffset? Time(NpgsqlDataReader row, int ordinal) =>
        row.IsDBNull(ordinal) ? null : row.GetFieldValue<DateTimeOffset>(ordinal);
}
