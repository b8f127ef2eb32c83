using System.Runtime.InteropServices;
using System.Text.Json;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>Token counts as a provider reported them.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct TokenUsage(long Input, long Cached, long Output)
{
    /// <summary>No model reads or writes this much in one call; a larger count is a lie, and would be billed.</summary>
    private const long MaxBelievable = 100_000_000;

    /// <summary>Reads the value the reader stands on.</summary>
    /// <returns>Null when it is not an object with believable counts: unknown is better than wrong.</returns>
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
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("prompt_tokens"u8))
            {
                input = Count(ref reader);
            }
            else if (reader.ValueTextEquals("completion_tokens"u8))
            {
                output = Count(ref reader);
            }
            else if (reader.ValueTextEquals("prompt_tokens_details"u8))
            {
                cached = ReadCached(ref reader);
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        return input is { } read && output is { } written ? new TokenUsage(read, Math.Min(cached ?? 0, read), written) : null;
    }

    private static long? ReadCached(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return 0;
        }

        long? cached = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("cached_tokens"u8))
            {
                cached = Count(ref reader);
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        return cached;
    }

    private static long? Count(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var count) && count is >= 0 and <= MaxBelievable)
        {
            return count;
        }

        reader.Skip();
        return null;
    }
}
