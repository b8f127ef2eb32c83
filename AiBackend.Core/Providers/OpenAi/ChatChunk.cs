using System.Text.Json;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>What one event of a chat completion stream says. One instance serves a whole stream, so that reading allocates nothing but the text.</summary>
/// <remarks>Members it does not know are skipped; null is as good as missing; a known member of the wrong kind is a <see cref="JsonException"/>.</remarks>
internal sealed class ChatChunk
{
    private readonly DeltaText _text = new();

    /// <summary>Whether any event has been read.</summary>
    public bool IsUsed { get; private set; }

    /// <summary>New text of this event; empty when it has none.</summary>
    public string Text { get; private set; } = "";

    /// <summary>Whether the model showed a sign of work in this event other than text.</summary>
    public bool IsThinking { get; private set; }

    /// <summary>Set once the provider has said why it stopped.</summary>
    public string? FinishReason { get; private set; }

    /// <summary>The model the provider says it used.</summary>
    public string? ModelVersion { get; private set; }

    /// <summary>Whether the provider says that it is a simulation.</summary>
    public bool IsSimulated { get; private set; }

    /// <summary>The last token counts; null when there were none, or none that can be true.</summary>
    public TokenUsage? Usage { get; private set; }

    /// <summary>An error object, when the provider failed inside its own stream.</summary>
    public ProviderErrorBody? Error { get; private set; }

    /// <summary>Replaces the text and adds to the rest.</summary>
    /// <exception cref="JsonException">It is no JSON, or none of a chat completion stream.</exception>
    public void Read(ReadOnlySpan<byte> json)
    {
        Clear();
        var reader = new Utf8JsonReader(json);
        reader.Read();
        Expect(ref reader, JsonTokenType.StartObject);
        IsUsed = true;
        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("choices"u8))
            {
                ReadChoices(ref reader);
            }
            else if (reader.ValueTextEquals("model"u8))
            {
                ReadModel(ref reader);
            }
            else if (reader.ValueTextEquals("system_fingerprint"u8))
            {
                reader.Read();
                IsSimulated |= reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("simulated"u8);
            }
            else if (reader.ValueTextEquals("usage"u8))
            {
                reader.Read();
                Usage = TokenUsage.Read(ref reader) ?? Usage;
            }
            else if (reader.ValueTextEquals("error"u8))
            {
                reader.Read();
                Error = ProviderErrorBody.Read(ref reader);
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }

        // Bytes after the object would be another protocol.
        reader.Read();
    }

    /// <summary>Forgets the text of the last event and keeps the rest.</summary>
    public void Clear()
    {
        Text = "";
        IsThinking = false;
    }

    /// <summary>Text still held back when the stream ended; empty in every sane stream.</summary>
    public string TakeRest() => _text.TakeRest();

    private void ReadChoices(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null)
        {
            return;
        }

        Expect(ref reader, JsonTokenType.StartArray);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            Expect(ref reader, JsonTokenType.StartObject);
            ReadChoice(ref reader);
        }
    }

    private void ReadChoice(ref Utf8JsonReader reader)
    {
        var index = 0;
        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("index"u8))
            {
                reader.Read();
                index = reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out var number) ? number : 0;
            }
            else if (index == 0 && reader.ValueTextEquals("delta"u8))
            {
                ReadDelta(ref reader);
            }
            else if (index == 0 && reader.ValueTextEquals("finish_reason"u8))
            {
                reader.Read();
                if (reader.TokenType != JsonTokenType.Null)
                {
                    Expect(ref reader, JsonTokenType.String);
                    FinishReason = Known(ref reader);
                }
            }
            else
            {
                reader.Read();
                reader.Skip();
            }
        }
    }

    private void ReadDelta(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null)
        {
            return;
        }

        Expect(ref reader, JsonTokenType.StartObject);
        while (NextMember(ref reader))
        {
            // A refusal is what the model says instead of its answer, so it is what the caller gets to read.
            if (reader.ValueTextEquals("content"u8) || reader.ValueTextEquals("refusal"u8))
            {
                reader.Read();
                if (reader.TokenType != JsonTokenType.Null)
                {
                    Expect(ref reader, JsonTokenType.String);
                    Text += _text.Read(ref reader);
                }
            }
            else
            {
                // reasoning, reasoning_content, tool_calls: not text, but a sign of life.
                IsThinking |= !reader.ValueTextEquals("role"u8);
                reader.Read();
                IsThinking &= reader.TokenType != JsonTokenType.Null;
                reader.Skip();
            }
        }
    }

    private void ReadModel(ref Utf8JsonReader reader)
    {
        reader.Read();
        // The same in every event, so it becomes a string only once.
        if (reader.TokenType == JsonTokenType.String && (ModelVersion is null || !reader.ValueTextEquals(ModelVersion)))
        {
            ModelVersion = DeltaText.Readable(ref reader);
        }
    }

    private static string Known(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("stop"u8) ? "stop"
        : reader.ValueTextEquals("length"u8) ? "length"
        : reader.ValueTextEquals("content_filter"u8) ? "content_filter"
        : DeltaText.Readable(ref reader);

    private static bool NextMember(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.TokenType == JsonTokenType.PropertyName;
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (reader.TokenType != type)
        {
            throw new JsonException($"Expected {type}, found {reader.TokenType}.");
        }
    }
}
