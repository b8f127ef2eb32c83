using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>The input of a response: a text, or items, of which calls of tools that belong together become one message.</summary>
internal static class ResponseItems
{
    private static readonly MemberTable<Item> Members = new()
    {
        ["type"] = (item, value, path) => item.Type = item.Values.Text(value, path) ?? "",
        ["role"] = (item, value, path) => item.Role = item.Values.Text(value, path),
        ["content"] = (item, value, path) => item.Content = ChatMessages.ReadContent(item.Values, value, path),
        ["call_id"] = (item, value, path) => item.CallId = item.Values.Text(value, path),
        ["name"] = (item, value, path) => item.Name = item.Values.Text(value, path),
        ["arguments"] = (item, value, path) => item.Arguments = item.Values.Text(value, path),
        ["output"] = (item, value, path) => item.Output = ChatMessages.ReadContent(item.Values, value, path),
        // What an item of an earlier answer has, and what means nothing for the next one.
        ["id"] = (item, value, path) => _ = item.Values.Text(value, path),
        ["status"] = (item, value, path) => _ = item.Values.Text(value, path),
    };

    /// <returns>The items, the messages that they are, and for each of these the indexes of its items; none when the input is a text.</returns>
    public static (
        IReadOnlyList<JsonElement> Items,
        IReadOnlyList<ChatMessageInput> Messages,
        IReadOnlyList<IReadOnlyList<int>> Places
    ) Read(BodyMembers values, JsonElement input, string path)
    {
        if (input.ValueKind == JsonValueKind.String)
        {
            var text = input.GetString()!;
            return ([MessageOf(text)], [new ChatMessageInput { Role = "user", Content = text }], []);
        }

        var items = new List<JsonElement>();
        var messages = new List<ChatMessageInput>();
        var places = new List<List<int>>();
        foreach (var (element, place) in values.Array(input, path))
        {
            var item = new Item(values);
            Members.Read(item, values, element, place);
            Append(messages, item, place);
            if (messages.Count > places.Count)
            {
                places.Add([]);
            }

            places.LastOrDefault()?.Add(items.Count);
            items.Add(element.Clone());
        }

        return (items, messages, places);
    }

    private static void Append(List<ChatMessageInput> messages, Item item, string place)
    {
        switch (item.Type)
        {
            case "message" or "":
                messages.Add(new ChatMessageInput { Role = item.Role, Content = item.Content });
                break;
            case "function_call":
                var call = ChatToolCall.Of(item.CallId ?? "", item.Name ?? "", item.Arguments ?? "");
                if (messages is [.., { Role: "assistant" } said])
                {
                    messages[^1] = said with { ToolCalls = [.. said.ToolCalls ?? [], call] };
                }
                else
                {
                    messages.Add(new ChatMessageInput { Role = "assistant", ToolCalls = [call] });
                }

                break;
            case "function_call_output":
                messages.Add(
                    new ChatMessageInput
                    {
                        Role = "tool",
                        ToolCallId = item.CallId,
                        Content = item.Output ?? "",
                    }
                );
                break;
            default:
                item.Values.Unsupported(
                    $"{place}.type",
                    $"It was {Quoted.Of(item.Type)}; there are message, function_call and function_call_output."
                );
                break;
        }
    }

    private static JsonElement MessageOf(string text) =>
        JsonElement.Parse(
            $"{{\"type\":\"message\",\"role\":\"user\",\"content\":[{{\"type\":\"input_text\",\"text\":\"{JsonEncodedText.Encode(text)}\"}}]}}"
        );

    private sealed class Item(BodyMembers values)
    {
        public BodyMembers Values { get; } = values;
        public string Type { get; set; } = "";
        public string? Role { get; set; }
        public string? Content { get; set; }
        public string? CallId { get; set; }
        public string? Name { get; set; }
        public string? Arguments { get; set; }
        public string? Output { get; set; }
    }
}
