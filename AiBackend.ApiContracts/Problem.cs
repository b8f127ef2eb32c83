using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts;

/// <summary>An error answer: RFC 9457 problem details with this API's extension members.</summary>
public sealed record Problem
{
    /// <summary>Relative address of the problem's documentation, for example <c>/problems/unknown-member</c>.</summary>
    public required string Type { get; init; }

    /// <summary>What kind of problem this is; always the same text for one <see cref="Type"/>.</summary>
    public required string Title { get; init; }

    /// <summary>The HTTP status code.</summary>
    public required int Status { get; init; }

    /// <summary>What was wrong this time, with the offending value, and what to do about it.</summary>
    public required string Detail { get; init; }

    /// <summary>The slug with underscores, for programs: <c>unknown_member</c>.</summary>
    public required string Code { get; init; }

    /// <summary>W3C trace id of the request, or null when it was refused before one existed.</summary>
    public string? TraceId { get; init; }

    /// <summary>Messages by field path, for example <c>input.messages[0].content</c>; null when no field is to blame.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, string[]>? Errors { get; init; }

    /// <summary>Seconds to wait before the same request can succeed; null when unknown or when it never can.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? RetryAfter { get; init; }
}
