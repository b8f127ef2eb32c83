using System.Buffers.Text;
using System.IO.Pipelines;
using System.Text;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>Writes server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) straight into a response.</summary>
internal static class EventStreamWriter
{
    /// <summary>Tells a client how long to wait before it reconnects.</summary>
    public static ReadOnlySpan<byte> Greeting => "retry: 3000\n\n"u8;

    /// <summary>A comment: keeps proxies from closing an idle stream, and shows that the reader is gone.</summary>
    public static ReadOnlySpan<byte> Heartbeat => ":\n\n"u8;

    /// <summary>What ends an event.</summary>
    public static ReadOnlySpan<byte> End => "\n\n"u8;

    /// <summary>The begin of an event. Its payload follows: compact JSON, which has no line breaks.</summary>
    public static void WriteBegin(PipeWriter output, JobEventRecord record)
    {
        var name = record.Kind.ToWire();
        var target = output.GetSpan(name.Length + 48);
        var length = 0;

        Append("id: "u8, target, ref length);
        Utf8Formatter.TryFormat(record.Seq, target[length..], out var digits);
        length += digits;
        Append("\nevent: "u8, target, ref length);
        length += Encoding.ASCII.GetBytes(name, target[length..]);
        Append("\ndata: "u8, target, ref length);
        output.Advance(length);
    }

    private static void Append(ReadOnlySpan<byte> bytes, Span<byte> target, ref int length)
    {
        bytes.CopyTo(target[length..]);
        length += bytes.Length;
    }
}
