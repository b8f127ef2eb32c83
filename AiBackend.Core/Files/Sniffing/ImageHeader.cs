using System.Buffers.Binary;

namespace AiBackend.Core.Files.Sniffing;

/// <summary>What a picture's own header says. Nothing is decoded for it.</summary>
/// <param name="MediaType">Which kind of picture.</param>
/// <param name="Pixels">How many it has when it is decoded; 0 when the header does not say.</param>
internal readonly record struct ImageHeader(string MediaType, long Pixels)
{
    /// <returns>Null when these are not the first bytes of a picture.</returns>
    public static ImageHeader? Read(ReadOnlySpan<byte> head) =>
        head.StartsWith(Png) ? new(MediaTypes.Png, OfPng(head))
        : head.StartsWith("GIF87a"u8) || head.StartsWith("GIF89a"u8) ? new(MediaTypes.Gif, OfGif(head))
        : head is [0xFF, 0xD8, 0xFF, ..] ? new(MediaTypes.Jpeg, OfJpeg(head))
        : head.Length >= 12 && head.StartsWith("RIFF"u8) && head[8..].StartsWith("WEBP"u8) ? new(MediaTypes.WebP, OfWebP(head[12..]))
        : null;

    private static ReadOnlySpan<byte> Png => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    private static long OfPng(ReadOnlySpan<byte> head) =>
        head.Length >= 24 && head[12..].StartsWith("IHDR"u8)
            ? Product(BinaryPrimitives.ReadUInt32BigEndian(head[16..]), BinaryPrimitives.ReadUInt32BigEndian(head[20..]))
            : 0;

    private static long OfGif(ReadOnlySpan<byte> head) =>
        head.Length >= 10
            ? Product(BinaryPrimitives.ReadUInt16LittleEndian(head[6..]), BinaryPrimitives.ReadUInt16LittleEndian(head[8..]))
            : 0;

    /// <summary>The size is in the segment that says how it is coded, behind others of any length.</summary>
    private static long OfJpeg(ReadOnlySpan<byte> head)
    {
        for (var at = 2; at + 9 < head.Length; )
        {
            if (head[at] != 0xFF)
            {
                return 0;
            }

            var marker = head[at + 1];
            if (marker is 0xFF)
            {
                at++;
            }
            else if (marker is >= 0xC0 and <= 0xCF and not (0xC4 or 0xC8 or 0xCC))
            {
                return Product(
                    BinaryPrimitives.ReadUInt16BigEndian(head[(at + 5)..]),
                    BinaryPrimitives.ReadUInt16BigEndian(head[(at + 7)..])
                );
            }
            else if (marker is 0xD9 or 0xDA)
            {
                return 0;
            }
            else
            {
                at += 2 + BinaryPrimitives.ReadUInt16BigEndian(head[(at + 2)..]);
            }
        }

        return 0;
    }

    private static long OfWebP(ReadOnlySpan<byte> chunk)
    {
        if (chunk.Length < 18)
        {
            return 0;
        }

        var data = chunk[8..];
        if (chunk.StartsWith("VP8X"u8))
        {
            return Product(1 + ReadUInt24(data[4..]), 1 + ReadUInt24(data[7..]));
        }

        if (chunk.StartsWith("VP8L"u8) && data[0] == 0x2F)
        {
            var bits = BinaryPrimitives.ReadUInt32LittleEndian(data[1..]);
            return Product(1 + (bits & 0x3FFF), 1 + ((bits >> 14) & 0x3FFF));
        }

        return chunk.StartsWith("VP8 "u8) && data[3..].StartsWith((ReadOnlySpan<byte>)[0x9D, 0x01, 0x2A])
            ? Product(
                BinaryPrimitives.ReadUInt16LittleEndian(data[6..]) & 0x3FFFu,
                BinaryPrimitives.ReadUInt16LittleEndian(data[8..]) & 0x3FFFu
            )
            : 0;
    }

    private static uint ReadUInt24(ReadOnlySpan<byte> bytes) => bytes[0] | ((uint)bytes[1] << 8) | ((uint)bytes[2] << 16);

    /// <summary>Beyond every limit where it would not fit.</summary>
    private static long Product(ulong width, ulong height) => (long)Math.Min(width * height, long.MaxValue);
}
