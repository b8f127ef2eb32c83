using System.Buffers.Text;
using System.Text;
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
                    json.WritePropertyName("url"u8);
                    WriteImage(json, image);
                    if (image.AdditionalProperties?.GetValueOrDefault(CallOptions.ImageDetail) is string detail)
                    {
                        json.WriteString("detail"u8, detail);
                    }

                    json.WriteEndObject();
                    json.WriteEndObject();
                    break;
            }
        }

        json.WriteEndArray();
    }

    /// <summary>In pieces: as one text a picture would take several times its size.</summary>
    private static void WriteImage(Utf8JsonWriter json, DataContent image)
    {
        const int Piece = 3 << 13;
        json.WriteStringValueSegment(Encoding.UTF8.GetBytes($"data:{image.MediaType};base64,"), isFinalSegment: false);
        var encoded = new byte[Base64.GetMaxEncodedToUtf8Length(Piece)];
        var rest = image.Data.Span;
        while (rest.Length > 0)
        {
            var part = rest[..Math.Min(Piece, rest.Length)];
            Base64.EncodeToUtf8(part, encoded, out _, out var length);
            json.WriteStringValueSegment(encoded.AsSpan(0, length), isFinalSegment: false);
            rest = rest[part.Length..];
        }

        json.WriteStringValueSegment(ReadOnlySpan<byte>.Empty, isFinalSegment: true);
    }
}
