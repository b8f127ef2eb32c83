using System.Globalization;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>What a chat must look like, and what it is called in lists.</summary>
internal static class ChatRules
{
    public const int MaxMessages = 2_000;
    private const int MaxTitleLength = 80;

    /// <summary>No messages at all.</summary>
    public static readonly Refusal Missing = ProblemTypes.MissingMessages.At(
        "input.messages",
        "input.messages is missing or empty. Send at least one message, for example {\"role\": \"user\", \"content\": \"Hello\"}."
    );

    private static readonly string[] Roles = ["system", "user", "assistant"];

    /// <returns>Why the chat is refused outright, or null; lesser faults are added to <paramref name="errors"/>.</returns>
    public static Refusal? Check(ChatInput chat, FieldErrors errors)
    {
        if (chat.Messages is not { Count: > 0 } messages)
        {
            return Missing;
        }

        if (messages.Count > MaxMessages)
        {
            errors.Add("input.messages", $"has {messages.Count} messages; at most {MaxMessages} are allowed.");
        }

        for (var i = 0; i < messages.Count; i++)
        {
            if (CheckMessage(messages[i], i, errors) is { } refusal)
            {
                return refusal;
            }
        }

        errors.CheckRange("input.max_output_tokens", chat.MaxOutputTokens, 1, 1_000_000);
        errors.CheckRange("input.temperature", chat.Temperature, 0, 2);
        return null;
    }

    /// <summary>The first words of the last thing a user said, on one line.</summary>
    public static string Title(ChatInput chat)
    {
        var messages = chat.Messages!;
        var text = (messages.LastOrDefault(message => message.Role == "user") ?? messages[^1]).Content!;
        Span<char> title = stackalloc char[MaxTitleLength];
        var length = 0;
        foreach (var character in text)
        {
            var space = char.IsWhiteSpace(character) || char.IsControl(character);
            if (space && (length == 0 || title[length - 1] == ' '))
            {
                continue;
            }

            if (length == title.Length)
            {
                break;
            }

            title[length++] = space ? ' ' : character;
        }

        // A pair that was cut in half is no character.
        length -= length > 0 && char.IsHighSurrogate(title[length - 1]) ? 1 : 0;
        return title[..length].TrimEnd().ToString();
    }

    private static Refusal? CheckMessage(ChatMessageInput? message, int index, FieldErrors errors)
    {
        if (message is null)
        {
            errors.Add(Place(index), "is null; send an object with role and content.");
            return null;
        }

        if (!Roles.Contains(message.Role))
        {
            var role = message.Role is null ? "missing" : Quoted.Of(message.Role);
            errors.Add(Place(index) + ".role", $"is {role}; it must be one of {string.Join(", ", Roles)}.");
        }

        return string.IsNullOrWhiteSpace(message.Content)
            ? ProblemTypes.EmptyText.At(
                Place(index) + ".content",
                $"{Place(index)}.content has no text. Send some, or leave the message out."
            )
            : null;
    }

    private static string Place(int index) => string.Create(CultureInfo.InvariantCulture, $"input.messages[{index}]");
}
