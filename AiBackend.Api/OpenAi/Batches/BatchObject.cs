using System.Text.Json.Nodes;
using AiBackend.Api.OpenAi.Files;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Core.Batches;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary>A batch, as OpenAI's clients know it.</summary>
internal static class BatchObject
{
    public const string Window = "24h";

    public static JsonObject Of(Batch batch)
    {
        var hasEnded = batch.EndedAt is not null;
        return new JsonObject
        {
            ["id"] = BatchIds.Of(batch.Id),
            ["object"] = "batch",
            ["endpoint"] = batch.Endpoint,
            ["errors"] = batch.Faults is { } faults ? new JsonObject { ["object"] = "list", ["data"] = JsonNode.Parse(faults) } : null,
            ["input_file_id"] = FileIds.Of(batch.InputFileId),
            ["completion_window"] = Window,
            ["status"] = Word(batch.Status),
            ["output_file_id"] = hasEnded && batch.OutputFileId is { } output ? FileIds.Of(output) : null,
            ["error_file_id"] = hasEnded && batch.ErrorFileId is { } error ? FileIds.Of(error) : null,
            ["created_at"] = batch.CreatedAt.ToUnixTimeSeconds(),
            ["in_progress_at"] = batch.InProgressAt?.ToUnixTimeSeconds(),
            ["expires_at"] = batch.WindowEndsAt.ToUnixTimeSeconds(),
            ["finalizing_at"] = batch.FinalizingAt?.ToUnixTimeSeconds(),
            ["completed_at"] = EndedAs(BatchStatus.Completed),
            ["failed_at"] = EndedAs(BatchStatus.Failed),
            ["expired_at"] = EndedAs(BatchStatus.Expired),
            ["cancelling_at"] = batch.CancellingAt?.ToUnixTimeSeconds(),
            ["cancelled_at"] = EndedAs(BatchStatus.Cancelled),
            ["request_counts"] = new JsonObject
            {
                ["total"] = batch.Lines,
                ["completed"] = batch.Answered,
                ["failed"] = batch.Missed,
            },
            ["metadata"] = batch.Metadata is { } metadata ? JsonNode.Parse(metadata) : null,
        };

        long? EndedAs(BatchStatus status) => batch.Status == status ? batch.EndedAt?.ToUnixTimeSeconds() : null;
    }

    public static JsonObject List(IReadOnlyList<Batch> batches, bool hasMore) =>
        new()
        {
            ["object"] = "list",
            ["data"] = new JsonArray([.. batches.Select(Of)]),
            ["first_id"] = batches.Count > 0 ? BatchIds.Of(batches[0].Id) : null,
            ["last_id"] = batches.Count > 0 ? BatchIds.Of(batches[^1].Id) : null,
            ["has_more"] = hasMore,
        };

    private static string Word(BatchStatus status) =>
        status switch
        {
            BatchStatus.Validating => "validating",
            BatchStatus.InProgress => "in_progress",
            BatchStatus.Finalizing => "finalizing",
            BatchStatus.Cancelling => "cancelling",
            BatchStatus.Completed => "completed",
            BatchStatus.Failed => "failed",
            BatchStatus.Expired => "expired",
            _ => "cancelled",
        };
}

/// <summary>Names of batches.</summary>
internal static class BatchIds
{
    private const string Prefix = "batch_";

    public static string Of(Guid id) => $"{Prefix}{id:N}";

    /// <returns>Null when the text is no such name.</returns>
    public static Guid? Parse(string? text) => PrefixedIds.Parse(text, Prefix);
}
