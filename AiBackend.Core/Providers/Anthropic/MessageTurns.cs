using System.Text.Json;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Anthropic;

/// <summary>Writes the turns of a conversation. Results of tools that were called together are one turn of the user.</summary>
internal static class MessageTurns
{
    public static void Write(Utf8JsonWriter json, IReadOnlyList<ChatMessage> turns)
    {
        for (var i = 0; i < turns.Count; i++)
        {
            json.WriteStartObject();
            if (turns[i].Role == ChatRole.Tool)
            {
                json.WriteString("role"u8, "user"u8);
                json.WriteStartArray("content"u8);
                for (; i < turns.Count && turns[i].Role == ChatRole.Tool; i++)
                {
                    WriteResult(json, turns[i]);
                }

                i--;
                json.WriteEndArray();
            }
            else
            {
                WriteSaid(json, turns[i]);
            }

            json.WriteEndObject();
        }
    }

    private static void WriteSaid(Utf8JsonWriter json, ChatMessage message)
    {
        json.WriteString("role"u8, message.Role == ChatRole.Assistant ? "assistant"u8 : "user"u8);
        var calls = message.Contents.OfType<FunctionCallContent>().ToList();
        if (message.Contents.Any(content => content is DataContent))
        {
            WriteParts(json, message);
            return;
        }

        if (calls.Count == 0)
        {
            json.WriteString("content"u8, message.Text);
            return;
        }

        json.WriteStartArray("content"u8);
        if (message.Text.Length > 0)
        {
            WriteText(json, message.Text);
        }

        calls.ForEach(call => WriteCall(json, call));
        json.WriteEndArray();
    }

    /// <summary>Text and pictures, in order.</summary>
    private static void WriteParts(Utf8JsonWriter json, ChatMessage message)
    {
        json.WriteStartArray("content"u8);
        foreach (var content in message.Contents)
        {
            switch (content)
            {
                case TextContent text:
                    WriteText(json, text.Text);
                    break;
                case DataContent image:
                    json.WriteStartObject();
                    json.WriteString("type"u8, "image"u8);
                    json.WriteStartObject("source"u8);
                    json.WriteString("type"u8, "base64"u8);
                    json.WriteString("media_type"u8, image.MediaType);
                    json.WriteBase64String("data"u8, image.Data.Span);
                    json.WriteEndObject();
                    json.WriteEndObject();
                    break;
            }
        }

        json.WriteEndArray();
    }

    private static void WriteText(Utf8JsonWriter json, string text)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "text"u8);
        json.WriteString("text"u8, text);
        json.WriteEndObject();
    }

    private static void WriteCall(Utf8JsonWriter json, FunctionCallContent call)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "tool_use"u8);
        json.WriteString("id"u8, call.CallId);
        json.WriteString("name"u8, call.Name);
        json.WritePropertyName("input"u8);
        WriteArguments(json, AskedTool.ArgumentsOf(call));
        json.WriteEndObject();
    }

    /// <summary>The protocol takes an object only. What another model wrote may be none, and is told as text then.</summary>
    private static void WriteArguments(Utf8JsonWriter json, string arguments)
    {
        try
        {
            using var parsed = JsonDocument.Parse(arguments);
            if (parsed.RootElement.ValueKind == JsonValueKind.Object)
            {
                parsed.RootElement.WriteTo(json);
                return;
            }
        }
        catch (JsonException)
        {
            // Told below.
        }

        json.WriteStartObject();
        json.WriteString("arguments"u8, arguments);
        json.WriteEndObject();
    }

    private static void WriteResult(Utf8JsonWriter json, ChatMessage message)
    {
        foreach (var result in message.Contents.OfType<FunctionResultContent>())
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "tool_result"u8);
            json.WriteString("tool_use_id"u8, result.CallId);
            json.WriteString("content"u8, result.Result as string ?? "");
            json.WriteEndObject();
        }
    }
}
