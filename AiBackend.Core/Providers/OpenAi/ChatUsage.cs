using System.Text.Json;
using AiBackend.Core.Providers.Wire;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>Reads the usage object of a chat completion.</summary>
internal static class ChatUsage
{
    /// <summary>Reads the value the reader stands on.</summary>
    /// <returns>Null when it is not an object with believable counts.</returns>
    public static TokenUsage? Read(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return null;
        }

        long? input = null;
        long? output = null;
        long? cached = 0;
        long? reasoning = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("prompt_tokens"u8))
            {
                input = TokenUsage.Count(ref reader);
            }
            else if (reader.ValueTextEquals("completion_tokens"u8))
            {
                output = TokenUsage.Count(ref reader);
            }
            else if (reader.ValueTextEquals("prompt_tokens_details"u8))
            {
                cached = ReadPart(ref reader, "cached_tokens"u8);
            }
            else if (reader.ValueTextEquals("completion_tokens_details"u8))
            {
                reasoning = ReadPart(ref reader, "reasoning_tokens"u8);
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        return input is { } read && output is { } written
            ? new TokenUsage(read, Math.Min(cached ?? 0, read), written) { Reasoning = Math.Min(reasoning ?? 0, written) }
            : null;
    }

    private static long? ReadPart(ref Utf8JsonReader reader, ReadOnlySpan<byte> name)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return 0;
        }

        long? part = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals(name))
            {
                part = TokenUsage.Count(ref reader);
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        return part;
    }
}
