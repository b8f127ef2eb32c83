using System.Runtime.InteropServices;
using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary>A line of a batch: its name, where it goes, and the request, which is read when it becomes a job.</summary>
internal static class LineShape
{
    private const int LongestId = 512;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = BodyWalk.MaxDepth * 2, AllowDuplicateProperties = false };

    /// <returns>Why it is none, or null; then <paramref name="customId"/> is its name.</returns>
    public static BatchFault? Check(ReadOnlyMemory<byte> bytes, int line, string endpoint, out string customId)
    {
        customId = "";
        try
        {
            using var document = JsonDocument.Parse(bytes, Options);
            return CheckMembers(document.RootElement, line, endpoint, out customId);
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            // Also half a character, which no text can have.
            return new("invalid_json_line", Invariant($"Line {line} is not one JSON object in UTF-8 without duplicate members."), line);
        }
    }

    /// <returns>The request of a line that was checked.</returns>
    public static ReadOnlyMemory<byte> BodyOf(ReadOnlyMemory<byte> bytes)
    {
        using var document = JsonDocument.Parse(bytes, Options);
        return JsonMarshal.GetRawUtf8Value(document.RootElement.GetProperty("body")).ToArray();
    }

    private static BatchFault? CheckMembers(JsonElement value, int line, string endpoint, out string customId)
    {
        customId = "";
        if (value.ValueKind != JsonValueKind.Object)
        {
            return new("invalid_json_line", Invariant($"Line {line} is no JSON object."), line);
        }

        string? method = null;
        string? url = null;
        var hasBody = false;
        foreach (var member in value.EnumerateObject())
        {
            switch (member.Name)
            {
                case "custom_id":
                    customId = TextOf(member.Value) ?? "";
                    break;
                case "method":
                    method = TextOf(member.Value);
                    break;
                case "url":
                    url = TextOf(member.Value);
                    break;
                case "body":
                    hasBody = member.Value.ValueKind == JsonValueKind.Object;
                    break;
                default:
                    return Fault(
                        "unknown_parameter",
                        member.Name,
                        $"{Quoted.Of(member.Name)} is not known; there are custom_id, method, url and body."
                    );
            }
        }

        return customId.Length is 0 or > LongestId || customId.Contains('\0', StringComparison.Ordinal)
                ? Fault(
                    "invalid_custom_id",
                    "custom_id",
                    Invariant($"custom_id must be a text of 1 to {LongestId} characters without U+0000.")
                )
            : method != "POST" ? Fault("invalid_method", "method", "method must be POST.")
            : url != endpoint
                ? Fault(
                    "mismatched_url",
                    "url",
                    $"url is {(url is null ? "missing" : Quoted.Of(url))}; the batch is for {endpoint}, and so is every line."
                )
            : !hasBody ? Fault("missing_required_parameter", "body", "body must be the request, a JSON object.")
            : null;

        BatchFault Fault(string code, string param, string what) => new(code, Invariant($"Line {line}: ") + what, line, param);
    }

    private static string? TextOf(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
