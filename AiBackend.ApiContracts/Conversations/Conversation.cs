using System.Text.Json.Serialization;

namespace AiBackend.ApiContracts.Conversations;

/// <summary>A thread of messages that jobs continue, without the messages.</summary>
public sealed record Conversation
{
    /// <summary>Its id.</summary>
    public required Guid Id { get; init; }

    /// <summary>Always <c>conversation</c>.</summary>
    public string Object { get; init; } = "conversation";

    /// <summary>What it is called; null when nobody said.</summary>
    public string? Title { get; init; }

    /// <summary>What models are told before everything else, each time.</summary>
    public string? Instructions { get; init; }

    /// <summary>The caller's own user, whose profile models are given; null is none.</summary>
    public string? User { get; init; }

    /// <summary>The caller's own pairs.</summary>
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }

    /// <summary>Number of its latest message; 0 when it has none.</summary>
    public required int LastSeq { get; init; }

    /// <summary>What stands for the oldest messages when models are asked; null while all of them count themselves.</summary>
    public ConversationSummary? Summary { get; init; }

    /// <summary>The conversation that this one was branched from, and its last message then; null when it began by itself.</summary>
    public BranchPoint? BranchOf { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it last got a message.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>What stands for the oldest messages of a conversation.</summary>
/// <param name="Text">The summary, written by a model.</param>
/// <param name="UpTo">Number of the last message that it covers. The messages themselves stay.</param>
public sealed record ConversationSummary(string Text, int UpTo);

/// <summary>Where a conversation left another one.</summary>
/// <param name="ConversationId">The other one.</param>
/// <param name="Seq">Number of the last message that both have.</param>
public sealed record BranchPoint(Guid ConversationId, int Seq);

/// <summary>Body of <c>POST /api/v1/conversations</c>; everything may be left out.</summary>
public sealed record NewConversation
{
    /// <summary>What it is called; at most 200 characters.</summary>
    public string? Title { get; init; }

    /// <summary>What models are told before everything else, each time; at most 32 768 characters.</summary>
    public string? Instructions { get; init; }

    /// <summary>The caller's own user, whose profile models are given; at most 128 characters.</summary>
    public string? User { get; init; }

    /// <summary>Messages from elsewhere that it begins with, oldest first; at most 2 000.</summary>
    public IReadOnlyList<NewMessage>? Messages { get; init; }

    /// <summary>Up to 16 string pairs kept with it; keys at most 64, values at most 512 characters.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
}

/// <summary>A message from elsewhere.</summary>
public sealed record NewMessage
{
    /// <summary><c>user</c> or <c>assistant</c>.</summary>
    public string? Role { get; init; }

    /// <summary>The text; not empty.</summary>
    public string? Content { get; init; }
}

/// <summary>Body of <c>POST /api/v1/conversations/{id}/messages</c>.</summary>
public sealed record NewMessages
{
    /// <summary>Messages from elsewhere, oldest first; 1 to 2 000.</summary>
    public IReadOnlyList<NewMessage>? Messages { get; init; }
}

/// <summary>One message of a conversation.</summary>
public sealed record ConversationMessage
{
    /// <summary>Its number in the conversation, from 1. Numbers of deleted messages are not used again.</summary>
    public required int Seq { get; init; }

    /// <summary><c>user</c> or <c>assistant</c>.</summary>
    public required string Role { get; init; }

    /// <summary>The text.</summary>
    public required string Content { get; init; }

    /// <summary>Whether it is part of an answer, of a job that was partially completed; left out when it is whole.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Partial { get; init; }

    /// <summary>The job that it comes from; null when it was brought from elsewhere.</summary>
    public Guid? JobId { get; init; }

    /// <summary>Its estimated size.</summary>
    public required int Tokens { get; init; }

    /// <summary>When the conversation got it.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>A page of conversations.</summary>
/// <param name="Data">The conversations, newest first.</param>
/// <param name="NextCursor">Pass as <c>cursor</c> for the next page; null on the last.</param>
public sealed record ConversationList(IReadOnlyList<Conversation> Data, string? NextCursor);

/// <summary>A page of messages.</summary>
/// <param name="Data">The messages, oldest first.</param>
/// <param name="NextAfter">Pass as <c>after</c> for the next page; null on the last.</param>
public sealed record ConversationMessages(IReadOnlyList<ConversationMessage> Data, int? NextAfter);
