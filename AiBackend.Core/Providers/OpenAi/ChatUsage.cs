using System.Text.Json;
using AiBackend.Core.Providers.Wire;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>Reads the usage object of a chat completion.</summary>
internal static class ChatUsage
{
    /// <summary>Reads the value the reader stands on.</summary>
    /// <param name="reader">Stands on the value.</param>
    /// <param name="isDisputed">Set when it says something that cannot be true.</param>
    /// <returns>Null when it is not an object with believable counts.</returns>
    public static TokenUsage? Read(ref Utf8JsonReader reader, ref bool isDisputed)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            isDisputed |= reader.TokenType != JsonTokenType.Null;
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
                input = TokenUsage.Count(ref reader, ref isDisputed);
            }
            else if (reader.ValueTextEquals("completion_tokens"u8))
            {
                output = TokenUsage.Count(ref reader, ref isDisputed);
            }
            else if (reader.ValueTextEquals("prompt_tokens_details"u8))
            {
                cached = ReadPart(ref reader, "cached_tokens"u8, ref isDisputed);
            }
            else if (reader.ValueTextEquals("completion_tokens_details"u8))
            {
                reasoning = ReadPart(ref reader, "reasoning_tokens"u8, ref isDisputed);
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        return input is { } read && output is { } written
            ? new TokenUsage(read, TokenUsage.PartOf(read, cached, ref isDisputed), written)
            {
                Reasoning = TokenUsage.PartOf(written, reasoning, ref isDisputed),
            }
            : null;
    }

    private static long? ReadPart(ref Utf8JsonReader reader, ReadOnlySpan<byte> name, ref bool isDisputed)
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
                part = TokenUsage.Count(ref reader, ref isDisputed);
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
