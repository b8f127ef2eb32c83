using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using AiBackend.Core.Providers.Embeddings;

namespace AiBackend.Api.OpenAi.Embeddings;

/// <summary>Writes the answer to a request for embeddings.</summary>
internal static class EmbeddingBody
{
    public static ReadOnlyMemory<byte> Of(EmbeddingAnswer answer, bool isBase64)
    {
        var buffer = new ArrayBufferWriter<byte>(64 * 1024);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("object"u8, "list"u8);
        json.WriteStartArray("data"u8);
        for (var i = 0; i < answer.Vectors.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "embedding"u8);
            json.WriteNumber("index"u8, i);
            json.WritePropertyName("embedding"u8);
            Write(json, answer.Vectors[i].Span, isBase64);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        // Who made them, not what was asked for: a route may lead elsewhere next year, and vectors of two models cannot be compared.
        json.WriteString("model"u8, answer.ServedBy.Model);
        if (answer.ServedBy.Simulated)
        {
            json.WriteString("system_fingerprint"u8, "simulated"u8);
        }

        var tokens = answer.Usage?.InputTokens ?? 0;
        json.WriteStartObject("usage"u8);
        json.WriteNumber("prompt_tokens"u8, tokens);
        json.WriteNumber("total_tokens"u8, tokens);
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    private static void Write(Utf8JsonWriter json, ReadOnlySpan<float> vector, bool isBase64)
    {
        if (isBase64)
        {
            json.WriteBase64StringValue(MemoryMarshal.AsBytes(vector));
            return;
        }

        json.WriteStartArray();
        foreach (var number in vector)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }
}
