using System.Buffers;

namespace AiBackend.Core.Files.Sniffing;

/// <summary>Says what a file is by its bytes, as they come. What its sender calls it counts only between kinds of text.</summary>
public sealed class ContentSniffer
{
    /// <summary>More pixels than this are no picture that anybody is given: they would take more memory than whoever opens it expects.</summary>
    public const long MostPixels = 40_000_000;

    // Far enough for the size of a JPEG behind the profiles and thumbnails that cameras put first.
    private const int HeadBytes = 512 * 1024;

    // All that tells any other kind.
    private const int ShortHead = 64;

    private readonly ArrayBufferWriter<byte> _head = new();
    private readonly TextProbe _text = new();
    private readonly JsonProbe _json = new();

    /// <summary>Takes the next bytes.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        var isBeginning = _head.WrittenCount == 0;
        var room = _head.WrittenCount < ShortHead || _head.WrittenSpan is [0xFF, 0xD8, ..] ? HeadBytes - _head.WrittenCount : 0;
        _head.Write(bytes[..Math.Min(bytes.Length, room)]);
        _text.Add(bytes);
        if (_text.IsText)
        {
            _json.Add(isBeginning && bytes.StartsWith("\uFEFF"u8) ? bytes["\uFEFF"u8.Length..] : bytes);
        }
    }

    /// <summary>What all bytes together are.</summary>
    /// <param name="name">What their sender calls them.</param>
    /// <returns>One of <see cref="MediaTypes"/>.</returns>
    public string TypeOf(string name)
    {
        var head = _head.WrittenSpan;
        if (head.StartsWith("%PDF-"u8))
        {
            return MediaTypes.Pdf;
        }

        if (ImageHeader.Read(head) is { } image)
        {
            return image.Pixels is > 0 and <= MostPixels ? image.MediaType : MediaTypes.Unknown;
        }

        return !_text.IsWhole ? MediaTypes.Unknown
            : Named(name, ".md") || Named(name, ".markdown") ? MediaTypes.Markdown
            : Named(name, ".csv") ? MediaTypes.Csv
            : _json.IsWhole() ? MediaTypes.Json
            : MediaTypes.Text;
    }

    private static bool Named(string name, string ending) => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase);
}
