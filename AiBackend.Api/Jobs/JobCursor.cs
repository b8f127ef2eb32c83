using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace AiBackend.Api.Jobs;

/// <summary>Where a list goes on: the last job shown and a mark of the filters it was shown under. Opaque to callers.</summary>
/// <remarks>A job's id says when it was submitted, so a place in the list stays valid whatever is added or removed around it.</remarks>
internal static class JobCursor
{
    private const byte Version = 1;
    private const int MarkLength = 4;
    private const int Length = 1 + 16 + MarkLength;

    /// <param name="last">The last job of the page.</param>
    /// <param name="filters">Anything that is the same text for the same filters.</param>
    public static string Write(Guid last, string filters)
    {
        Span<byte> bytes = stackalloc byte[Length];
        bytes[0] = Version;
        last.TryWriteBytes(bytes[1..], bigEndian: true, out _);
        WriteMark(filters, bytes[17..]);
        return Base64Url.EncodeToString(bytes);
    }

    /// <returns>Null when the text is no cursor, or one of another list.</returns>
    public static Guid? Read(string text, string filters)
    {
        Span<byte> bytes = stackalloc byte[Length];
        Span<byte> mark = stackalloc byte[MarkLength];
        WriteMark(filters, mark);
        return
            Base64Url.IsValid(text, out var length)
            && length == Length
            && Base64Url.TryDecodeFromChars(text, bytes, out _)
            && bytes[0] == Version
            && bytes[17..].SequenceEqual(mark)
            ? new Guid(bytes.Slice(1, 16), bigEndian: true)
            : null;
    }

    private static void WriteMark(string filters, Span<byte> target)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(filters), hash);
        hash[..MarkLength].CopyTo(target);
    }
}
