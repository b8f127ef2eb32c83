using System.Globalization;
using AiBackend.Api.Problems;
using AiBackend.Api.Prompts;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>What a chat must look like, and what it is called in lists.</summary>
internal static class ChatRules
{
    public const int MaxMessages = 2_000;
    private const int MaxTitleLength = 80;
    private const int MaxStops = 4;
    private const int MaxStopLength = 256;
    private const string NativeRoot = "input.";

    private static readonly string[] Roles = ["system", "developer", "user", "assistant", "tool"];

    private static readonly string[] Efforts = ["none", "minimal", "low", "medium", "high", "xhigh"];

    /// <param name="chat">The chat.</param>
    /// <param name="errors">Lesser faults are added here.</param>
    /// <param name="root">What stands before its members in the caller's own body.</param>
    /// <returns>Why the chat is refused outright, or null.</returns>
    public static Refusal? Check(ChatInput chat, FieldErrors errors, string root = NativeRoot)
    {
        if (chat.Prompt is { } prompt)
        {
            PromptedJobs.Check(prompt, errors);
        }

        // A prompt has messages of its own; all of them together are looked at when they are known.
        if ((chat.Messages ?? []) is not { } messages || (messages.Count == 0 && chat.Prompt is null))
        {
            return ProblemTypes.MissingMessages.At(
                $"{root}messages",
                $"{root}messages is missing or empty. Send at least one message, for example {{\"role\": \"user\", \"content\": \"Hello\"}}."
            );
        }

        if (messages.Count > MaxMessages)
        {
            errors.Add($"{root}messages", $"has {messages.Count} messages; at most {MaxMessages} are allowed.");
        }

        var calls = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < messages.Count; i++)
        {
            if (CheckMessage(messages[i], Place(root, i), calls, errors) is { } refusal)
            {
                return refusal;
            }
        }

        CheckSampling(chat, errors, root);
        return ToolRules.Check(chat, errors, root);
    }

    public static void CheckSampling(ChatInput chat, FieldErrors errors, string root)
    {
        errors.CheckRange(root + "max_output_tokens", chat.MaxOutputTokens, 1, 1_000_000);
        errors.CheckRange(root + "temperature", chat.Temperature, 0, 2);
        errors.CheckRange(root + "top_p", chat.TopP, 0, 1);
        errors.CheckRange(root + "presence_penalty", chat.PresencePenalty, -2, 2);
        errors.CheckRange(root + "frequency_penalty", chat.FrequencyPenalty, -2, 2);
        if (chat.Stop is { } stop && (stop.Count is 0 or > MaxStops || stop.Any(text => text is null or { Length: 0 or > MaxStopLength })))
        {
            errors.Add(root + "stop", $"must have 1 to {MaxStops} texts of 1 to {MaxStopLength} characters.");
        }

        if (chat.ReasoningEffort is { } effort && !Efforts.Contains(effort))
        {
            errors.Add(root + "reasoning_effort", $"is {Quoted.Of(effort)}; it must be one of {string.Join(", ", Efforts)}.");
        }
    }

    /// <summary>The first words of the last thing a user said, on one line.</summary>
    public static string Title(ChatInput chat)
    {
        var messages = chat.Messages ?? [];
        var text = (messages.LastOrDefault(message => message.Role == "user") ?? (messages is [.., var last] ? last : null))?.Content ?? "";
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

    private static Refusal? CheckMessage(ChatMessageInput? message, string place, HashSet<string> calls, FieldErrors errors)
    {
        if (message is null)
        {
            errors.Add(place, "is null; send an object with role and content.");
            return null;
        }

        if (!Roles.Contains(message.Role))
        {
            var role = message.Role is null ? "missing" : Quoted.Of(message.Role);
            errors.Add(place + ".role", $"is {role}; it must be one of {string.Join(", ", Roles)}.");
        }

        if (message.ToolCalls is { } made)
        {
            ToolRules.CheckCalls(made, place + ".tool_calls", calls, errors);
        }

        CheckPlaceOfCalls(message, place, calls, errors);
        JobFileRules.CheckMessage(message, place, errors);
        return
            string.IsNullOrWhiteSpace(message.Content)
            && message is { Role: not "tool", ToolCalls: null, Attachments: null or { Count: 0 } }
            ? ProblemTypes.EmptyText.At(place + ".content", $"{place}.content has no text. Send some, or leave the message out.")
            : null;
    }

    /// <summary>Only the assistant calls tools, and only a tool answers a call that was made before.</summary>
    private static void CheckPlaceOfCalls(ChatMessageInput message, string place, HashSet<string> calls, FieldErrors errors)
    {
        if (message.ToolCalls is not null && message.Role != "assistant")
        {
            errors.Add(place + ".tool_calls", "is only for the role assistant.");
        }

        if (message.Role != "tool")
        {
            if (message.ToolCallId is not null)
            {
                errors.Add(place + ".tool_call_id", "is only for the role tool.");
            }
        }
        else if (message.ToolCallId is not { } answered || !calls.Contains(answered))
        {
            var given = message.ToolCallId is null ? "missing" : Quoted.Of(message.ToolCallId);
            errors.Add(place + ".tool_call_id", $"is {given}; it must be the id of a call in an earlier message.");
        }
    }

    private static string Place(string root, int index) => string.Create(CultureInfo.InvariantCulture, $"{root}messages[{index}]");
}
