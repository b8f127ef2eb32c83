using System.Text.Json;
using AiBackend.Core.Providers.Wire;
using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>Writes one message of a chat completion request.</summary>
internal static class ChatMessageBody
{
    private const string Developer = "developer";

    public static void Write(Utf8JsonWriter json, ChatMessage message, bool isOpenAi)
    {
        json.WriteStartObject();
        // Those who know the one name alone take it for the same.
        json.WriteString("role"u8, message.Role.Value == Developer && !isOpenAi ? ChatRole.System.Value : message.Role.Value);
        if (message.Contents is [FunctionResultContent result])
        {
            json.WriteString("tool_call_id"u8, result.CallId);
            json.WriteString("content"u8, result.Result as string ?? "");
        }
        else
        {
            WriteSaid(json, message);
        }

        json.WriteEndObject();
    }

    private static void WriteSaid(Utf8JsonWriter json, ChatMessage message)
    {
        var calls = message.Contents.OfType<FunctionCallContent>().ToList();
        if (calls.Count > 0 && message.Text.Length == 0)
        {
            json.WriteNull("content"u8);
        }
        else if (message.Contents.Any(content => content is DataContent))
        {
            WriteParts(json, message);
        }
        else
        {
            json.WriteString("content"u8, message.Text);
        }

        if (calls.Count == 0)
        {
            return;
        }

        json.WriteStartArray("tool_calls"u8);
        foreach (var call in calls)
        {
            json.WriteStartObject();
            json.WriteString("id"u8, call.CallId);
            json.WriteString("type"u8, "function"u8);
            json.WriteStartObject("function"u8);
            json.WriteString("name"u8, call.Name);
            json.WriteString("arguments"u8, AskedTool.ArgumentsOf(call));
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Text and pictures, in order. A picture goes along as it is: the provider fetches nothing.</summary>
    private static void WriteParts(Utf8JsonWriter json, ChatMessage message)
    {
        json.WriteStartArray("content"u8);
        foreach (var content in message.Contents)
        {
            switch (content)
            {
                case TextContent text:
                    json.WriteStartObject();
                    json.WriteString("type"u8, "text"u8);
                    json.WriteString("text"u8, text.Text);
                    json.WriteEndObject();
                    break;
                case DataContent image:
                    json.WriteStartObject();
                    json.WriteString("type"u8, "image_url"u8);
                    json.WriteStartObject("image_url"u8);
                    json.WriteString("url"u8, image.Uri);
                    json.WriteEndObject();
                    json.WriteEndObject();
                    break;
            }
        }

        json.WriteEndArray();
    }
}
