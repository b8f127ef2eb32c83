using System.IO.Compression;
using System.Text;

namespace AiBackend.Tests.Providers;

/// <summary>The bytes of an answer, packet by packet, and whether the connection stays open after them.</summary>
internal sealed record RawReply(IReadOnlyList<byte[]> Packets, bool KeepsOpen = false)
{
    private const string EventStream = "text/event-stream";

    /// <summary>A stream of events that ends as HTTP wants it.</summary>
    /// <param name="events">What is sent.</param>
    /// <param name="type">What it calls itself.</param>
    public static RawReply Stream(string events, string type = EventStream) =>
        new([Head("Content-Length: " + Encoding.UTF8.GetByteCount(events), type), Bytes(events)]);

    /// <summary>The same, with every byte in a packet of its own.</summary>
    public static RawReply Trickled(string events)
    {
        var whole = Stream(events);
        return new([whole.Packets[0], .. whole.Packets[1].Chunk(1)]);
    }

    /// <summary>The same, packed although nobody asked for it.</summary>
    public static RawReply Zipped(string events)
    {
        using var packed = new MemoryStream();
        using (var zip = new GZipStream(packed, CompressionMode.Compress, leaveOpen: true))
        {
            zip.Write(Bytes(events));
        }

        return new([Head($"Content-Encoding: gzip\r\nContent-Length: {packed.Length}"), packed.ToArray()]);
    }

    /// <summary>A stream whose connection breaks after these events.</summary>
    public static RawReply Cut(string events) => new([Head("Content-Length: 1000000"), Bytes(events)]);

    /// <summary>A stream that falls silent after these events.</summary>
    public static RawReply Silent(string events) => new([Head("Content-Length: 1000000"), Bytes(events)], KeepsOpen: true);

    /// <summary>No word at all.</summary>
    public static RawReply Nothing() => new([], KeepsOpen: true);

    /// <summary>A refusal.</summary>
    public static RawReply Status(int status, string body, string? header = null) =>
        new([
            Bytes(
                $"HTTP/1.1 {status} Told so\r\nContent-Type: application/json\r\n{(header is null ? "" : header + "\r\n")}Content-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n\r\n{body}"
            ),
        ]);

    private static byte[] Head(string length, string type = EventStream) =>
        Bytes($"HTTP/1.1 200 OK\r\nContent-Type: {type}\r\nConnection: close\r\n{length}\r\n\r\n");

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
