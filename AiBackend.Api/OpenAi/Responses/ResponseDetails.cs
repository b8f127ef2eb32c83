using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiBackend.Api.OpenAi.Responses;

/// <summary>What a response says again of its request, and what a job has no place for. Kept with the job, as JSON.</summary>
internal sealed record ResponseDetails
{
    /// <summary>Its caller did not wait for it.</summary>
    public bool Background { get; init; }

    /// <summary>It can be read again.</summary>
    public bool Store { get; init; } = true;

    /// <summary>Its answer is told when it is over, because a better one may replace it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool MayAnswerAnew { get; init; }

    /// <summary>The response it goes on from.</summary>
    public string? PreviousResponseId { get; init; }

    /// <summary>The conversation it goes on with.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Guid? ConversationId { get; init; }

    /// <summary>The first message of the input, which the next response does not take over.</summary>
    public string? Instructions { get; init; }

    /// <summary>Input items of this request alone.</summary>
    public IReadOnlyList<JsonElement> Items { get; init; } = [];

    /// <summary>As they were sent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Tools { get; init; }

    /// <summary>As it was sent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? ToolChoice { get; init; }

    /// <summary>As it was sent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Text { get; init; }

    public bool? ParallelToolCalls { get; init; }
    public int? MaxOutputTokens { get; init; }
    public double? Temperature { get; init; }
    public double? TopP { get; init; }
    public string? ReasoningEffort { get; init; }
    public string? User { get; init; }
}
