using System.Text.Json;
using AiBackend.Core.Providers.Wire;

namespace AiBackend.Core.Providers.OpenAi;

/// <summary>The events of a chat completion stream.</summary>
internal sealed class ChatChunk : WireEvent
{
    private TokenUsage? _usage;
    private bool _isDisputed;
    private bool _isRefused;

    public override TokenUsage? Usage => _usage;

    public override bool IsUsageDisputed => _isDisputed;

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
            _usage = ChatUsage.Read(ref reader, ref _isDisputed) ?? _usage;
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
                    FinishReason = Known(ref reader) ?? FinishReason;
                }
            }
            else
            {
                SkipMember(ref reader);
            }
        }

        // The wire says in another place what others say as the reason: an answer that stopped is no refusal.
        FinishReason = _isRefused && FinishReason == "stop" ? "refusal" : FinishReason;
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
            if (reader.ValueTextEquals("refusal"u8))
            {
                var before = Text.Length;
                ReadText(ref reader);
                _isRefused |= Text.Length > before;
            }
            else if (reader.ValueTextEquals("content"u8))
            {
                ReadText(ref reader);
            }
            else if (reader.ValueTextEquals("tool_calls"u8))
            {
                ReadToolCalls(ref reader);
            }
            else
            {
                // reasoning, reasoning_content: not text, but a sign of life.
                IsThinking |= !reader.ValueTextEquals("role"u8);
                reader.Read();
                IsThinking &= reader.TokenType != JsonTokenType.Null;
                reader.Skip();
            }
        }
    }

    private void ReadToolCalls(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null)
        {
            return;
        }

        Expect(ref reader, JsonTokenType.StartArray);
        IsThinking = true;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            Expect(ref reader, JsonTokenType.StartObject);
            ReadToolCall(ref reader);
        }
    }

    /// <summary>Reads a piece of a call. Servers that send whole calls may leave the index out; then a new id is a new call.</summary>
    private void ReadToolCall(ref Utf8JsonReader reader)
    {
        // Twice, because members may come in any order and the first two say what the third belongs to.
        var again = reader;
        int? index = null;
        string? id = null;
        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("index"u8))
            {
                reader.Read();
                index = reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out var number) ? number : null;
            }
            else if (reader.ValueTextEquals("id"u8))
            {
                reader.Read();
                id = reader.TokenType == JsonTokenType.String ? DeltaText.Readable(ref reader) : null;
            }
            else
            {
                SkipMember(ref reader);
            }
        }

        var isNew = ToolCalls.Last is not { } last || (index is null && id is { Length: > 0 } && id != last.Id);
        var part = ToolCalls.At(index ?? (isNew ? ToolCalls.Count : ToolCalls.Last!.Index));
        ToolCalls.SetId(part, id ?? "");
        while (NextMember(ref again))
        {
            if (again.ValueTextEquals("function"u8))
            {
                ReadFunction(ref again, part);
            }
            else
            {
                SkipMember(ref again);
            }
        }
    }

    private void ReadFunction(ref Utf8JsonReader reader, ToolCallParts.Part part)
    {
        if (!Enter(ref reader))
        {
            return;
        }

        while (NextMember(ref reader))
        {
            var isName = reader.ValueTextEquals("name"u8);
            var isArguments = reader.ValueTextEquals("arguments"u8);
            reader.Read();
            if (isName && reader.TokenType == JsonTokenType.String)
            {
                ToolCallParts.AppendName(part, DeltaText.Readable(ref reader));
            }
            else if (isArguments && reader.TokenType == JsonTokenType.String)
            {
                ToolCalls.Append(part, ref reader);
            }
            else
            {
                reader.Skip();
            }
        }
    }

    private static string? Known(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("stop"u8) ? "stop"
        : reader.ValueTextEquals("length"u8) ? "length"
        : reader.ValueTextEquals("tool_calls"u8) ? "tool_calls"
        : reader.ValueTextEquals("content_filter"u8) ? "content_filter"
        : ReadReason(ref reader);
}
