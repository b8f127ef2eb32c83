using System.Text.Json;
using AiBackend.Core.Providers.Wire;

namespace AiBackend.Core.Providers.Anthropic;

/// <summary>The token counts of a message stream, which come in two parts and count what is cached apart.</summary>
/// <remarks>The second part replaces the first, member by member: its counts are those of the whole message, not more of them.</remarks>
internal sealed class MessageUsage
{
    private long? _uncached;
    private long? _fromCache = 0;
    private long? _toCache = 0;
    private long? _output;
    private bool _isDisputed;

    /// <summary>Whether a count cannot be true.</summary>
    public bool IsDisputed => _isDisputed;

    /// <summary>Null until the stream has said how it ended, and when a count cannot be true: unknown is better than wrong.</summary>
    public TokenUsage? Total =>
        _uncached is { } uncached && _fromCache is { } fromCache && _toCache is { } toCache && _output is { } output
            ? new TokenUsage(uncached + fromCache + toCache, fromCache, output)
            : null;

    /// <summary>Reads the value of the member the reader stands on.</summary>
    /// <param name="reader">Stands on the member's name.</param>
    /// <param name="isFinal">False for the counts of the beginning, whose output is only what is written at that moment.</param>
    public void Read(ref Utf8JsonReader reader, bool isFinal)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("input_tokens"u8))
            {
                _uncached = Newer(ref reader, _uncached);
            }
            else if (reader.ValueTextEquals("cache_read_input_tokens"u8))
            {
                _fromCache = Newer(ref reader, _fromCache);
            }
            else if (reader.ValueTextEquals("cache_creation_input_tokens"u8))
            {
                _toCache = Newer(ref reader, _toCache);
            }
            else if (isFinal && reader.ValueTextEquals("output_tokens"u8))
            {
                _output = Newer(ref reader, _output);
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }
    }

    private long? Newer(ref Utf8JsonReader reader, long? known)
    {
        var count = TokenUsage.Count(ref reader, ref _isDisputed);
        return reader.TokenType == JsonTokenType.Null ? known : count;
    }
}
