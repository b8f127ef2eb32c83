using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using AiBackend.Simulator.Behaviours;

namespace AiBackend.Simulator.Chat;

/// <summary>Writes one stream's events. Everything but the token's own bytes is prepared once per stream.</summary>
internal sealed class ChunkWriter
{
    private static readonly JsonEncodedText Fingerprint = JsonEncodedText.Encode("simulated");

    private readonly byte[] _head;
    private readonly byte[] _before;
    private readonly byte[] _after;

    public ChunkWriter(string id, string model, DateTimeOffset created, bool usageEveryChunk)
    {
        var envelope =
            FormattableString.Invariant(
                $"data: {{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":{created.ToUnixTimeSeconds()},"
            ) + $"\"model\":\"{JsonEncodedText.Encode(model)}\",\"system_fingerprint\":\"{Fingerprint}\",";
        var usage = usageEveryChunk ? ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}" : "";

        _head = Encoding.UTF8.GetBytes(envelope);
        _before = Encoding.UTF8.GetBytes(envelope + "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"");
        _after = Encoding.UTF8.GetBytes($"\"}},\"logprobs\":null,\"finish_reason\":null}}]{usage}}}\n\n");
    }

    public void Role(IBufferWriter<byte> output)
    {
        output.Write(_head);
        output.Write(
            "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n"u8
        );
    }

    public void Token(IBufferWriter<byte> output, ReadOnlySpan<byte> escaped)
    {
        var length = _before.Length + escaped.Length + _after.Length;
        var span = output.GetSpan(length);
        _before.CopyTo(span);
        escaped.CopyTo(span[_before.Length..]);
        _after.CopyTo(span[(_before.Length + escaped.Length)..]);
        output.Advance(length);
    }

    /// <summary>A token that says when it was written, in Unix microseconds.</summary>
    public void Stamp(IBufferWriter<byte> output, DateTimeOffset now)
    {
        Span<byte> stamp = stackalloc byte[24];
        Utf8Formatter.TryFormat((now.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond, stamp, out var length);
        stamp[length++] = (byte)' ';
        Token(output, stamp[..length]);
    }

    /// <summary>A tool that is asked for, its arguments in pieces as providers send them.</summary>
    public void ToolCall(IBufferWriter<byte> output, int index, SimToolCall call)
    {
        var half = call.Arguments.Length / 2;
        Piece(
            $"\"id\":\"{call.Id}\",\"type\":\"function\",\"function\":{{\"name\":\"{JsonEncodedText.Encode(call.Name)}\",\"arguments\":\"\"}}"
        );
        Piece($"\"function\":{{\"arguments\":\"{JsonEncodedText.Encode(call.Arguments[..half])}\"}}");
        Piece($"\"function\":{{\"arguments\":\"{JsonEncodedText.Encode(call.Arguments[half..])}\"}}");

        void Piece(string said)
        {
            output.Write(_head);
            Write(
                output,
                FormattableString.Invariant(
                    $"\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":{index},{said}}}]}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
                )
            );
        }
    }

    public void End(IBufferWriter<byte> output, string finishReason, bool usageWanted, TokenCounts counts, SimUsage honesty)
    {
        output.Write(_head);
        Write(
            output,
            $"\"choices\":[{{\"index\":0,\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"{JsonEncodedText.Encode(finishReason)}\"}}]}}\n\n"
        );
        if (usageWanted && honesty != SimUsage.Missing)
        {
            output.Write(_head);
            Write(output, $"\"choices\":[],\"usage\":{counts.ToJson(honesty)}}}\n\n");
        }

        output.Write("data: [DONE]\n\n"u8);
    }

    private static void Write(IBufferWriter<byte> output, string text) => Encoding.UTF8.GetBytes(text, output);
}
