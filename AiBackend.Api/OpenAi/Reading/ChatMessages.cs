using System.Text;
using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>The messages of a chat completion.</summary>
internal static class ChatMessages
{
    private const string OnlyText = "Only text is read.";

    private static readonly MemberTable<Message> Members = new()
    {
        ["role"] = (message, value, path) => message.Role = message.Values.Text(value, path),
        ["content"] = (message, value, path) => message.Content = ReadContent(message.Values, value, path),
        // What an SDK puts into the answer it gives back as a message.
        ["refusal"] = (message, value, path) => message.Refusal = message.Values.Text(value, path),
        ["annotations"] = (message, value, path) =>
        {
            if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > 0)
            {
                message.Values.Unsupported(path, "Leave it out.");
            }
        },
        ["name"] = (message, _, path) => message.Values.Unsupported(path, "Say in the text who speaks."),
        ["audio"] = (message, _, path) => message.Values.Unsupported(path, OnlyText),
        ["function_call"] = (message, _, path) => message.Values.Unsupported(path, "It is long replaced by tool_calls."),
        ["tool_calls"] = (message, value, path) =>
            message.ToolCalls = message.Values.As(value, path, WireJson.Default.IReadOnlyListChatToolCall) is { Count: > 0 } calls
                ? calls
                : null,
        ["tool_call_id"] = (message, value, path) => message.ToolCallId = message.Values.Text(value, path),
    };

    public static IReadOnlyList<ChatMessageInput> Read(BodyMembers values, JsonElement messages, string path) =>
        [.. values.Array(messages, path).Select(item => ReadOne(values, item.Item, item.Path))];

    /// <summary>A text, or several parts of one, which are put below each other.</summary>
    public static string? ReadContent(BodyMembers values, JsonElement content, string path)
    {
        if (content.ValueKind == JsonValueKind.String)
        {
            return content.GetString();
        }

        if (content.ValueKind != JsonValueKind.Array)
        {
            values.Invalid(path, "must be a string or an array of parts");
            return null;
        }

        var text = new StringBuilder();
        foreach (var (part, place) in values.Array(content, path))
        {
            text.Append(text.Length > 0 ? "\n" : "").Append(ReadPart(values, part, place));
        }

        return text.ToString();
    }

    private static string ReadPart(BodyMembers values, JsonElement part, string path)
    {
        var (type, text) = ("", "");
        string? unknown = null;
        foreach (var member in values.Object(part, path))
        {
            switch (member.Name)
            {
                case "type":
                    type = values.Text(member.Value, $"{path}.type") ?? "";
                    break;
                case "text" or "refusal":
                    text = values.Text(member.Value, $"{path}.{member.Name}") ?? "";
                    break;
                case "annotations" or "logprobs" when member.Value.ValueKind == JsonValueKind.Array && member.Value.GetArrayLength() == 0:
                    // What an SDK puts into the answer it gives back.
                    break;
                default:
                    unknown ??= $"{path}.{member.Name}";
                    break;
            }
        }

        if (unknown is not null && type is ("text" or "input_text" or "output_text" or "refusal"))
        {
            values.Unknown(unknown);
        }

        if (type is not ("text" or "refusal" or "input_text" or "output_text"))
        {
            values.Unsupported($"{path}.type", $"It was {Quoted.Of(type)}. {OnlyText}");
        }

        return text;
    }

    private static ChatMessageInput ReadOne(BodyMembers values, JsonElement item, string path)
    {
        var message = new Message(values);
        Members.Read(message, values, item, path);
        return new ChatMessageInput
        {
            Role = message.Role,
            Content = message.Content ?? message.Refusal,
            ToolCalls = message.ToolCalls,
            ToolCallId = message.ToolCallId,
        };
    }

    private sealed class Message(BodyMembers values)
    {
        public BodyMembers Values { get; } = values;
        public string? Role { get; set; }
        public string? Content { get; set; }
        public string? Refusal { get; set; }
        public IReadOnlyList<ChatToolCall>? ToolCalls { get; set; }
        public string? ToolCallId { get; set; }
    }
}
