using System.Text.Json;
using AiBackend.Core.Providers.Wire;

namespace AiBackend.Core.Providers.Anthropic;

/// <summary>The events of a message stream. What a member means depends on its name alone, so the order of members does not matter.</summary>
internal sealed class MessageEvent : WireEvent
{
    private readonly MessageUsage _usage = new();
    private bool _isInThought;

    public override TokenUsage? Usage => _usage.Total;

    public override bool IsUsageDisputed => _usage.IsDisputed;

    protected override void ReadMember(ref Utf8JsonReader reader)
    {
        if (reader.ValueTextEquals("delta"u8))
        {
            ReadDelta(ref reader);
        }
        else if (reader.ValueTextEquals("type"u8))
        {
            ReadType(ref reader);
        }
        else if (reader.ValueTextEquals("content_block"u8))
        {
            ReadBlock(ref reader);
        }
        else if (reader.ValueTextEquals("message"u8))
        {
            ReadMessage(ref reader);
        }
        else if (reader.ValueTextEquals("usage"u8))
        {
            // The final counts, replacing those of the beginning.
            _usage.Read(ref reader, isFinal: true);
        }
        else
        {
            SkipMember(ref reader);
        }
    }

    private void ReadType(ref Utf8JsonReader reader)
    {
        reader.Read();
        Expect(ref reader, JsonTokenType.String);
        IsEnd |= reader.ValueTextEquals("message_stop"u8);
        // While thoughts are kept from us, pings are all that a working model sends. Otherwise they only say that the connection is open.
        IsThinking |= _isInThought && reader.ValueTextEquals("ping"u8);
        _isInThought &= !reader.ValueTextEquals("content_block_stop"u8);
    }

    /// <summary>Reads the beginning of a message: the model and the counts known so far.</summary>
    private void ReadMessage(ref Utf8JsonReader reader)
    {
        if (!Enter(ref reader))
        {
            return;
        }

        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("model"u8))
            {
                ReadModel(ref reader);
            }
            else if (reader.ValueTextEquals("usage"u8))
            {
                _usage.Read(ref reader, isFinal: false);
            }
            else
            {
                SkipMember(ref reader);
            }
        }
    }

    /// <summary>Reads the beginning of a block: a text may begin with some, any other kind is a sign of life.</summary>
    private void ReadBlock(ref Utf8JsonReader reader)
    {
        if (!Enter(ref reader))
        {
            return;
        }

        string? tool = null;
        string? id = null;
        var isTool = false;
        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("type"u8))
            {
                reader.Read();
                Expect(ref reader, JsonTokenType.String);
                _isInThought = !reader.ValueTextEquals("text"u8);
                isTool = reader.ValueTextEquals("tool_use"u8);
                IsThinking |= _isInThought;
            }
            else if (reader.ValueTextEquals("id"u8))
            {
                id = Name(ref reader);
            }
            else if (reader.ValueTextEquals("name"u8))
            {
                tool = Name(ref reader);
            }
            else if (reader.ValueTextEquals("text"u8))
            {
                ReadText(ref reader);
            }
            else
            {
                SkipMember(ref reader);
            }
        }

        if (isTool && tool is not null)
        {
            var part = ToolCalls.At(ToolCalls.Count);
            ToolCalls.SetId(part, id ?? "");
            ToolCallParts.AppendName(part, tool);
        }
    }

    private static string? Name(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String)
        {
            return DeltaText.Readable(ref reader);
        }

        reader.Skip();
        return null;
    }

    /// <summary>Reads what is new in a block, or in the message as a whole: why it stopped.</summary>
    private void ReadDelta(ref Utf8JsonReader reader)
    {
        if (!Enter(ref reader))
        {
            return;
        }

        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("text"u8))
            {
                ReadText(ref reader);
            }
            else if (reader.ValueTextEquals("stop_reason"u8))
            {
                reader.Read();
                if (reader.TokenType != JsonTokenType.Null)
                {
                    Expect(ref reader, JsonTokenType.String);
                    FinishReason = Known(ref reader) ?? FinishReason;
                }
            }
            else if (reader.ValueTextEquals("partial_json"u8))
            {
                ReadArguments(ref reader);
            }
            else
            {
                // thinking, signature: not text, but a sign of life.
                IsThinking |= reader.ValueTextEquals("thinking"u8) || reader.ValueTextEquals("signature"u8);
                SkipMember(ref reader);
            }
        }
    }

    /// <summary>Reads a piece of the arguments of the tool that was asked for last.</summary>
    private void ReadArguments(ref Utf8JsonReader reader)
    {
        IsThinking = true;
        reader.Read();
        if (reader.TokenType == JsonTokenType.String && ToolCalls.Last is { } part)
        {
            ToolCalls.Append(part, ref reader);
        }
        else
        {
            reader.Skip();
        }
    }

    private static string? Known(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("end_turn"u8) || reader.ValueTextEquals("stop_sequence"u8) ? "stop"
        : reader.ValueTextEquals("max_tokens"u8) || reader.ValueTextEquals("model_context_window_exceeded"u8) ? "length"
        : reader.ValueTextEquals("tool_use"u8) ? "tool_calls"
        : reader.ValueTextEquals("refusal"u8) ? "content_filter"
        : ReadReason(ref reader);
}
