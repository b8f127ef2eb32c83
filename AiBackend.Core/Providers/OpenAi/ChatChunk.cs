using System.Text.Json;
using AiBackend.Core.Providers.Wire;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>The events of a chat completion stream.</summary>
internal sealed class ChatChunk : WireEvent
{
    private TokenUsage? _usage;

    public override TokenUsage? Usage => _usage;

    protected override bool IsEndMark(ReadOnlySpan<byte> data) => data.TrimEnd((byte)' ').SequenceEqual("[DONE]"u8);

    protected override void ReadMember(ref Utf8JsonReader reader)
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
            reader.Skip();
        }
        else if (reader.ValueTextEquals("usage"u8))
        {
            reader.Read();
            _usage = ChatUsage.Read(ref reader) ?? _usage;
        }
        else
        {
            SkipMember(ref reader);
        }
    }

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
                SkipMember(ref reader);
            }
        }
    }

    private void ReadDelta(ref Utf8JsonReader reader)
    {
        if (!Enter(ref reader))
        {
            return;
        }

        while (NextMember(ref reader))
        {
            // A refusal is what the model says instead of its answer, so it is what the caller gets to read.
            if (reader.ValueTextEquals("content"u8) || reader.ValueTextEquals("refusal"u8))
            {
                ReadText(ref reader);
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

    private static string Known(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("stop"u8) ? "stop"
        : reader.ValueTextEquals("length"u8) ? "length"
        : reader.ValueTextEquals("content_filter"u8) ? "content_filter"
        : DeltaText.Readable(ref reader);
}
