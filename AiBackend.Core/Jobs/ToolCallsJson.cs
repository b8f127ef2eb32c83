using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs.Versions;

namespace AiBackend.Core.Jobs;

/// <summary>Tools that a model asked for, as they are stored with its output.</summary>
internal static class ToolCallsJson
{
    /// <returns>Null when there are none.</returns>
    public static string? ToColumn(AttemptEnd end) =>
        end.ToolCalls.Count == 0 ? null : JsonSerializer.Serialize(end.ToolCalls, WireJson.Default.IReadOnlyListChatToolCall);

    public static IReadOnlyList<ChatToolCall> Read(string? column) =>
        column is null ? [] : JsonSerializer.Deserialize(column, StoredJson.Lenient.IReadOnlyListChatToolCall)!;
}
