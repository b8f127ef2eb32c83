using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>Tools and formats of a response, which are the same as those of a chat completion without a level between.</summary>
internal static class ResponseTools
{
    private static readonly MemberTable<Function> ToolMembers = new()
    {
        ["type"] = (_, _, _) => { },
        ["name"] = (tool, value, path) => tool.Value = tool.Value with { Name = tool.Values.Text(value, path) },
        ["description"] = (tool, value, path) => tool.Value = tool.Value with { Description = tool.Values.Text(value, path) },
        ["parameters"] = (tool, value, _) => tool.Value = tool.Value with { Parameters = value.Clone() },
        ["strict"] = (tool, value, path) => tool.Value = tool.Value with { Strict = tool.Values.Flag(value, path) },
    };

    private static readonly MemberTable<AnswerForm> FormatMembers = new()
    {
        ["type"] = (format, value, path) => format.Type = format.Values.Text(value, path),
        ["name"] = (format, value, path) => format.Value = format.Value with { Name = format.Values.Text(value, path) },
        ["description"] = (format, value, path) => format.Value = format.Value with { Description = format.Values.Text(value, path) },
        ["schema"] = (format, value, _) => format.Value = format.Value with { Schema = value.Clone() },
        ["strict"] = (format, value, path) => format.Value = format.Value with { Strict = format.Values.Flag(value, path) },
    };

    public static IReadOnlyList<ChatTool>? Tools(BodyMembers values, JsonElement tools, string path)
    {
        var all = new List<ChatTool>();
        foreach (var (tool, place) in values.Array(tools, path))
        {
            ChatToolsReader.RefuseOther(values, tool, place);
            var function = new Function(values);
            ToolMembers.Read(function, values, tool, place);
            all.Add(new ChatTool { Type = "function", Function = function.Value });
        }

        return all.Count > 0 ? all : null;
    }

    /// <summary>A word, or one function by its name.</summary>
    public static JsonElement Choice(BodyMembers values, JsonElement choice, string path)
    {
        if (choice.ValueKind != JsonValueKind.Object)
        {
            return choice.Clone();
        }

        ChatToolsReader.RefuseOther(values, choice, path);
        if (!choice.TryGetProperty("name", out var name) || name.ValueKind != JsonValueKind.String || choice.EnumerateObject().Count() != 2)
        {
            values.Invalid(path, "must be auto, none, required, or {\"type\": \"function\", \"name\": \"…\"}");
            return choice.Clone();
        }

        return JsonElement.Parse($"{{\"type\":\"function\",\"function\":{{\"name\":\"{JsonEncodedText.Encode(name.GetString()!)}\"}}}}");
    }

    public static ChatAnswerFormat Format(BodyMembers values, JsonElement format, string path)
    {
        var read = new AnswerForm(values);
        FormatMembers.Read(read, values, format, path);
        if (read.Type is not (null or "json_schema") && read.Value != new ChatAnswerSchema())
        {
            values.Invalid($"{path}.type", $"is {Quoted.Of(read.Type)}; a name, description, schema or strict is only for json_schema");
        }

        return new ChatAnswerFormat { Type = read.Type, JsonSchema = read.Type == "json_schema" ? read.Value : null };
    }

    private sealed class Function(BodyMembers values)
    {
        public BodyMembers Values { get; } = values;
        public ChatFunction Value { get; set; } = new();
    }

    private sealed class AnswerForm(BodyMembers values)
    {
        public BodyMembers Values { get; } = values;
        public string? Type { get; set; }
        public ChatAnswerSchema Value { get; set; } = new();
    }
}
