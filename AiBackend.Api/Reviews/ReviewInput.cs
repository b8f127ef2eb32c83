using System.Text.Json;
using AiBackend.Core.Contracts;

namespace AiBackend.Api.Reviews;

/// <summary>What a job was asked, as text for rules that look for citations.</summary>
internal static class ReviewInput
{
    /// <summary>What may be quoted of the input, in order; what was looked up since is not kept.</summary>
    public static string TextOf(JsonElement? input) =>
        input is { ValueKind: JsonValueKind.Object } root
        && root.TryGetProperty("messages", out var messages)
        && messages.ValueKind == JsonValueKind.Array
            ? CitedSource.Join(messages.EnumerateArray().Where(IsQuotable).Select(message => TextOf(message, "content") ?? ""))
            : "";

    private static bool IsQuotable(JsonElement message) => CitedSource.IsQuotable(TextOf(message, "role"));

    private static string? TextOf(JsonElement message, string name) =>
        message.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
