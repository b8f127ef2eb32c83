using System.Text.Json;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>Writes the tools of a chat completion request, and the form of its answer.</summary>
internal static class ChatToolsBody
{
    public static void Write(Utf8JsonWriter json, ChatOptions options)
    {
        var tools = options.Tools?.OfType<DeclaredTool>().ToList() ?? [];
        if (tools.Count > 0)
        {
            json.WriteStartArray("tools"u8);
            tools.ForEach(tool => WriteTool(json, tool));
            json.WriteEndArray();
            WriteChoice(json, options.ToolMode);
            if (options.AllowMultipleToolCalls is { } parallel)
            {
                json.WriteBoolean("parallel_tool_calls"u8, parallel);
            }
        }

        if (options.ResponseFormat is ChatResponseFormatJson format)
        {
            WriteFormat(json, format, CallOptions.StrictSchemaOf(options));
        }
    }

    private static void WriteTool(Utf8JsonWriter json, DeclaredTool tool)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "function"u8);
        json.WriteStartObject("function"u8);
        json.WriteString("name"u8, tool.Name);
        if (tool.Description.Length > 0)
        {
            json.WriteString("description"u8, tool.Description);
        }

        json.WritePropertyName("parameters"u8);
        tool.JsonSchema.WriteTo(json);
        if (tool.Strict is { } strict)
        {
            json.WriteBoolean("strict"u8, strict);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteChoice(Utf8JsonWriter json, ChatToolMode? mode)
    {
        switch (mode)
        {
            case NoneChatToolMode:
                json.WriteString("tool_choice"u8, "none"u8);
                break;
            case RequiredChatToolMode { RequiredFunctionName: { } name }:
                json.WriteStartObject("tool_choice"u8);
                json.WriteString("type"u8, "function"u8);
                json.WriteStartObject("function"u8);
                json.WriteString("name"u8, name);
                json.WriteEndObject();
                json.WriteEndObject();
                break;
            case RequiredChatToolMode:
                json.WriteString("tool_choice"u8, "required"u8);
                break;
            case AutoChatToolMode:
                json.WriteString("tool_choice"u8, "auto"u8);
                break;
        }
    }

    private static void WriteFormat(Utf8JsonWriter json, ChatResponseFormatJson format, bool? strict)
    {
        json.WriteStartObject("response_format"u8);
        json.WriteString("type"u8, format.Schema is null ? "json_object"u8 : "json_schema"u8);
        if (format.Schema is { } schema)
        {
            json.WriteStartObject("json_schema"u8);
            json.WriteString("name"u8, format.SchemaName ?? "answer");
            if (format.SchemaDescription is { } description)
            {
                json.WriteString("description"u8, description);
            }

            json.WritePropertyName("schema"u8);
            schema.WriteTo(json);
            if (strict is { } exactly)
            {
                json.WriteBoolean("strict"u8, exactly);
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
