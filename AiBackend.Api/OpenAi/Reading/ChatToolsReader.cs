using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>The tools of a chat completion, which the native API has in the same form.</summary>
internal static class ChatToolsReader
{
    public static IReadOnlyList<ChatTool>? Tools(BodyMembers values, JsonElement tools, string path)
    {
        if (tools.ValueKind == JsonValueKind.Array)
        {
            foreach (var (tool, place) in values.Array(tools, path))
            {
                RefuseOther(values, tool, place);
            }
        }

        var all = values.As(tools, path, WireJson.Default.IReadOnlyListChatTool);
        // None are as good as no word of tools.
        return all is { Count: > 0 } ? all : null;
    }

    public static JsonElement Choice(BodyMembers values, JsonElement choice, string path)
    {
        if (choice.ValueKind == JsonValueKind.Object)
        {
            RefuseOther(values, choice, path);
        }

        return choice.Clone();
    }

    /// <summary>Tools that providers run by themselves, and those with a grammar, are none of ours.</summary>
    public static void RefuseOther(BodyMembers values, JsonElement tool, string path)
    {
        if (
            tool.ValueKind == JsonValueKind.Object
            && tool.TryGetProperty("type", out var type)
            && type.ValueKind == JsonValueKind.String
            && !type.ValueEquals("function")
        )
        {
            values.Unsupported($"{path}.type", $"It was {Quoted.Of(type.GetString()!)}; there is function alone, which the caller runs.");
        }
    }
}
