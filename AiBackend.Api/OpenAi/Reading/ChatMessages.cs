using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>The messages of a chat completion.</summary>
internal static class ChatMessages
{
    private static readonly MemberTable<Message> Members = new()
    {
        ["role"] = (message, value, path) => message.Role = message.Values.Text(value, path),
        ["content"] = (message, value, path) => message.Content = MessageContent.Read(message.Values, value, path, message.Files),
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
        ["audio"] = (message, _, path) => message.Values.Unsupported(path, MessageContent.Readable),
        ["function_call"] = (message, _, path) => message.Values.Unsupported(path, "It is long replaced by tool_calls."),
        ["tool_calls"] = (message, value, path) =>
            message.ToolCalls = message.Values.As(value, path, WireJson.Default.IReadOnlyListChatToolCall) is { Count: > 0 } calls
                ? calls
                : null,
        ["tool_call_id"] = (message, value, path) => message.ToolCallId = message.Values.Text(value, path),
    };

    public static IReadOnlyList<ChatMessageInput> Read(BodyMembers values, SentFiles files, JsonElement messages, string path) =>
        [.. values.Array(messages, path).Select(item => ReadOne(values, files, item.Item, item.Path))];

    /// <summary>Files come from users alone, on either endpoint.</summary>
    public static void CheckFiles(BodyMembers values, MessageContent? content, string? role, string path)
    {
        if (content?.Attachments is not null && role != "user")
        {
            values.Invalid($"{path}.content", "has a picture or file, which only messages of the role user can have");
        }
    }

    private static ChatMessageInput ReadOne(BodyMembers values, SentFiles files, JsonElement item, string path)
    {
        var message = new Message(values, files);
        Members.Read(message, values, item, path);
        CheckFiles(values, message.Content, message.Role, path);
        return new ChatMessageInput
        {
            Role = message.Role,
            Content = message.Content?.Text ?? message.Refusal,
            Attachments = message.Content?.Attachments,
            ToolCalls = message.ToolCalls,
            ToolCallId = message.ToolCallId,
        };
    }

    private sealed class Message(BodyMembers values, SentFiles files)
    {
        public BodyMembers Values { get; } = values;
        public SentFiles Files { get; } = files;
        public string? Role { get; set; }
        public MessageContent? Content { get; set; }
        public string? Refusal { get; set; }
        public IReadOnlyList<ChatToolCall>? ToolCalls { get; set; }
        public string? ToolCallId { get; set; }
    }
}
