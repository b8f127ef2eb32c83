using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.Conversations;

/// <summary>The conversation that a job continues: its messages are what the user says next.</summary>
public sealed record JobConversation
{
    /// <summary>Which conversation.</summary>
    public Guid? Id { get; init; }

    /// <summary>
    /// What happens when another job of the conversation has not ended: <c>enqueue</c> (default) waits for it, <c>reject</c> refuses this
    /// job with 409, <c>interrupt</c> cancels the other one.
    /// </summary>
    public string? Overlap { get; init; }

    /// <summary>Estimated tokens that the model is given at most, 256 to 1 000 000. Default 16 000. The oldest messages are left out first.</summary>
    public int? MaxTokens { get; init; }
}

/// <summary>What happens when a job finds another one of its conversation that has not ended.</summary>
public static class Overlaps
{
    /// <summary>It waits.</summary>
    public const string Enqueue = "enqueue";

    /// <summary>It is refused.</summary>
    public const string Reject = "reject";

    /// <summary>The other one is cancelled.</summary>
    public const string Interrupt = "interrupt";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Enqueue, Reject, Interrupt];
}

/// <summary>What the model of a job was given that continues a conversation, or looks up passages.</summary>
/// <param name="MaxTokens">Estimated tokens that it might be; 0 without a conversation, where nobody counts them.</param>
/// <param name="Parts">Where they went, in order; parts that are empty are left out, and without a conversation there are none.</param>
/// <param name="DroppedMessages">Old messages that had no room.</param>
public sealed record JobContext(int MaxTokens, IReadOnlyList<ContextPart> Parts, int DroppedMessages)
{
    /// <summary>Passages that it was given, best first; left out when there are none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ContextPassage>? Passages { get; init; }
}

/// <summary>A passage that a model was given.</summary>
/// <param name="Source">Of its document.</param>
/// <param name="Title">Of its document.</param>
/// <param name="Chunk">Which part of the document, from 0.</param>
/// <param name="Score">How well it fits the question; comparable within one search.</param>
public sealed record ContextPassage(string Source, string Title, int Chunk, double Score);

/// <summary>A part of what a model was given.</summary>
/// <param name="Name"><c>system</c>, <c>profile</c>, <c>retrieved</c>, <c>summary</c>, <c>history</c> or <c>input</c>.</param>
/// <param name="Tokens">Its estimated size.</param>
/// <param name="Cap">What it might be at most.</param>
public sealed record ContextPart(string Name, int Tokens, int Cap);
