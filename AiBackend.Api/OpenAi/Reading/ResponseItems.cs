using System.Text.Json;
using System.Text.Json.Nodes;
using AiBackend.Api.OpenAi.Files;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>The input of a response: a text, or items, of which calls of tools that belong together become one message.</summary>
internal static class ResponseItems
{
    private static readonly MemberTable<Item> Members = new()
    {
        ["type"] = (item, value, path) => item.Type = item.Values.Text(value, path) ?? "",
        ["role"] = (item, value, path) => item.Role = item.Values.Text(value, path),
        ["content"] = (item, value, path) => item.Content = MessageContent.Read(item.Values, value, path, item.Files),
        ["call_id"] = (item, value, path) => item.CallId = item.Values.Text(value, path),
        ["name"] = (item, value, path) => item.Name = item.Values.Text(value, path),
        ["arguments"] = (item, value, path) => item.Arguments = item.Values.Text(value, path),
        ["output"] = (item, value, path) => item.Output = MessageContent.Read(item.Values, value, path).Text,
        // What an item of an earlier answer has, and what means nothing for the next one.
        ["id"] = (item, value, path) => _ = item.Values.Text(value, path),
        ["status"] = (item, value, path) => _ = item.Values.Text(value, path),
    };

    /// <returns>The items, the messages that they are, and for each of these the indexes of its items; none when the input is a text.</returns>
    public static (
        IReadOnlyList<JsonElement> Items,
        IReadOnlyList<ChatMessageInput> Messages,
        IReadOnlyList<IReadOnlyList<int>> Places
    ) Read(BodyMembers values, SentFiles files, JsonElement input, string path)
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
            var item = new Item(values, files);
            Members.Read(item, values, element, place);
            ChatMessages.CheckFiles(values, item.Content, item.Role, place);
            Append(messages, item, place);
            if (messages.Count > places.Count)
            {
                places.Add([]);
            }

            places.LastOrDefault()?.Add(items.Count);
            items.Add(item.Content is { Sent: { Count: > 0 } sent } ? Named(element, sent) : element.Clone());
        }

        return (items, messages, places);
    }

    /// <summary>What an item of its type has no use for was meant for something.</summary>
    private static void RefuseOther(Item item, string place)
    {
        (string Name, bool Is)[] given =
        [
            ("role", item.Role is not null),
            ("content", item.Content is not null),
            ("call_id", item.CallId is not null),
            ("name", item.Name is not null),
            ("arguments", item.Arguments is not null),
            ("output", item.Output is not null),
        ];
        string[] own = item.Type switch
        {
            "function_call" => ["call_id", "name", "arguments"],
            "function_call_output" => ["call_id", "output"],
            _ => ["role", "content"],
        };
        if (Array.Find(given, member => member.Is && !own.Contains(member.Name)) is { Name: { } other })
        {
            item.Values.Unsupported($"{place}.{other}", $"An item of the type {(item.Type.Length > 0 ? item.Type : "message")} has none.");
        }
    }

    private static void Append(List<ChatMessageInput> messages, Item item, string place)
    {
        RefuseOther(item, place);
        switch (item.Type)
        {
            case "message" or "":
                messages.Add(
                    new ChatMessageInput
                    {
                        Role = item.Role,
                        Content = item.Content?.Text,
                        Attachments = item.Content?.Attachments,
                    }
                );
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

    /// <summary>An item as it is told again: by the names of the files that came with it, and without their bytes.</summary>
    private static JsonElement Named(JsonElement element, IReadOnlyList<(int Part, Guid File)> sent)
    {
        var item = JsonObject.Create(element)!;
        foreach (var (i, file) in sent)
        {
            var part = item["content"]![i]!.AsObject();
            var isImage = ((string)part["type"]!).Contains("image", StringComparison.Ordinal);
            var named = new JsonObject { ["type"] = isImage ? "input_image" : "input_file", ["file_id"] = FileIds.Of(file) };
            if ((part["detail"] ?? (part["image_url"] as JsonObject)?["detail"]) is { } detail)
            {
                named["detail"] = detail.DeepClone();
            }

            item["content"]![i] = named;
        }

        return JsonSerializer.SerializeToElement(item, OpenAiJson.Default.JsonObject);
    }

    private static JsonElement MessageOf(string text) =>
        JsonElement.Parse(
            $"{{\"type\":\"message\",\"role\":\"user\",\"content\":[{{\"type\":\"input_text\",\"text\":\"{JsonEncodedText.Encode(text)}\"}}]}}"
        );

    private sealed class Item(BodyMembers values, SentFiles files)
    {
        public BodyMembers Values { get; } = values;
        public SentFiles Files { get; } = files;
        public string Type { get; set; } = "";
        public string? Role { get; set; }
        public MessageContent? Content { get; set; }
        public string? CallId { get; set; }
        public string? Name { get; set; }
        public string? Arguments { get; set; }
        public string? Output { get; set; }
    }
}
