using System.Buffers;
using System.Text;

namespace AiBackend.Core.Files.Sniffing;

/// <summary>Whether bytes are text: UTF-8, without characters that nobody writes.</summary>
internal sealed class TextProbe
{
    private const int CharactersAtOnce = 8 * 1024;

    // All controls but tab, line feed, form feed and carriage return. In UTF-8 such a byte is never part of another character.
    private static readonly SearchValues<byte> Controls = SearchValues.Create([
        .. Enumerable.Range(0, 0x20).Except([0x09, 0x0A, 0x0C, 0x0D]).Append(0x7F).Select(code => (byte)code),
    ]);

    private readonly Decoder _decoder = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetDecoder();

    /// <summary>Whether what came so far is.</summary>
    public bool IsText { get; private set; } = true;

    /// <summary>Whether it is, and does not end within a character.</summary>
    public bool IsWhole => IsText && Decodes([], isEnd: true);

    public void Add(ReadOnlySpan<byte> bytes) => IsText = IsText && !bytes.ContainsAny(Controls) && Decodes(bytes, isEnd: false);

    private bool Decodes(ReadOnlySpan<byte> bytes, bool isEnd)
    {
        var characters = ArrayPool<char>.Shared.Rent(CharactersAtOnce);
        try
        {
            bool isDone;
            do
            {
                _decoder.Convert(bytes, characters, isEnd, out var used, out _, out isDone);
                bytes = bytes[used..];
            } while (!isDone);

            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
        finally
        {
            ArrayPool<char>.Shared.Return(characters);
        }
    }
}
