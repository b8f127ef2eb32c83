using System.Text;
using AiBackend.Core.Files;
using AiBackend.Core.Files.Sniffing;

namespace AiBackend.Tests.Files;

/// <summary>What a file is is said by its bytes, however they arrive; its name only tells kinds of text apart.</summary>
public sealed class SniffedFilesTests
{
    public static TheoryData<string, byte[], string> Files =>
        new()
        {
            { "a.txt", "Ärger, 😀\r\n\t"u8.ToArray(), MediaTypes.Text },
            { "a.txt", "\uFEFFwith a mark"u8.ToArray(), MediaTypes.Text },
            { "README.MD", "# Title"u8.ToArray(), MediaTypes.Markdown },
            { "a.csv", "a,b\n1,2\n"u8.ToArray(), MediaTypes.Csv },
            { "a.json", """{"a":[1,{"b":"ä"}]}"""u8.ToArray(), MediaTypes.Json },
            { "a", " \uFEFF[1]"u8.ToArray(), MediaTypes.Text },
            { "a", "\uFEFF [1] "u8.ToArray(), MediaTypes.Json },
            { "a.json", "{\"a\":"u8.ToArray(), MediaTypes.Text },
            { "a.json", "{}\n{}\n"u8.ToArray(), MediaTypes.Text },
            { "a.json", "{'a':1}"u8.ToArray(), MediaTypes.Text },
            { "page.html", "<html><script>alert(1)</script></html>"u8.ToArray(), MediaTypes.Text },
            { "a.svg", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"u8.ToArray(), MediaTypes.Text },
            { "eicar.com", "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"u8.ToArray(), MediaTypes.Text },
            { "a.png", "not a picture"u8.ToArray(), MediaTypes.Text },
            { "a.txt", [0x1F, 0x8B, 8, 0], MediaTypes.Unknown },
            { "a.txt", "PK\u0003\u0004"u8.ToArray(), MediaTypes.Unknown },
            { "a.txt", "null \0 byte"u8.ToArray(), MediaTypes.Unknown },
            { "a.txt", [.. "latin "u8, 0xE4], MediaTypes.Unknown },
            { "a.txt", [.. "cut "u8, 0xE2, 0x82], MediaTypes.Unknown },
            { "a.txt", "escape \u001B[2J"u8.ToArray(), MediaTypes.Unknown },
            { "a.txt", "%PDF-1.7 and more"u8.ToArray(), MediaTypes.Pdf },
            { "a.pdf", " %PDF-1.7"u8.ToArray(), MediaTypes.Text },
            { "a.txt", SampleFiles.Png, MediaTypes.Png },
            { "a.png", SampleFiles.PngOf(8000, 5000), MediaTypes.Png },
            { "bomb.png", SampleFiles.PngOf(8000, 5001), MediaTypes.Unknown },
            { "bomb.png", SampleFiles.PngOf(uint.MaxValue, uint.MaxValue), MediaTypes.Unknown },
            { "none.png", SampleFiles.PngOf(0, 10), MediaTypes.Unknown },
            { "cut.png", SampleFiles.Png[..20], MediaTypes.Unknown },
            { "a.jpg", SampleFiles.Jpeg(640, 480), MediaTypes.Jpeg },
            { "bomb.jpg", SampleFiles.Jpeg(65_000, 65_000), MediaTypes.Unknown },
            { "cut.jpg", SampleFiles.Jpeg(640, 480)[..1000], MediaTypes.Unknown },
            { "far.jpg", SampleFiles.Jpeg(640, 480, before: 600_000), MediaTypes.Unknown },
            { "a.gif", SampleFiles.Gif(10, 10), MediaTypes.Gif },
            // A picture to one program, and a script to another.
            { "a.js", "GIF89a=1;alert(1)//"u8.ToArray(), MediaTypes.Unknown },
            { "a.webp", SampleFiles.WebP("VP8X", 4000, 3000), MediaTypes.WebP },
            { "a.webp", SampleFiles.WebP("VP8L", 4000, 3000), MediaTypes.WebP },
            { "a.webp", SampleFiles.WebP("VP8 ", 4000, 3000), MediaTypes.WebP },
            { "bomb.webp", SampleFiles.WebP("VP8X", 16_000, 16_000), MediaTypes.Unknown },
            { "bomb.webp", SampleFiles.WebP("VP8L", 16_000, 16_000), MediaTypes.Unknown },
        };

    [Theory]
    [MemberData(nameof(Files))]
    public void A_60_the_bytes_decide_and_not_the_name(string name, byte[] content, string type)
    {
        foreach (var pieces in (int[])[content.Length, 7, 3])
        {
            var sniffer = new ContentSniffer();
            foreach (var piece in content.Chunk(pieces))
            {
                sniffer.Add(piece);
            }

            Assert.Equal(type, sniffer.TypeOf(name));
        }
    }

    [Fact]
    public void A_60_a_large_text_is_read_as_it_comes_and_one_string_of_it_is_bounded()
    {
        Assert.Equal(MediaTypes.Json, TypeOf($$"""{"a":"{{new string('a', 900_000)}}"}"""));
        Assert.Equal(MediaTypes.Text, TypeOf($$"""{"a":"{{new string('a', 1_200_000)}}"}"""));
        Assert.Equal(MediaTypes.Json, TypeOf("[" + string.Join(',', Enumerable.Repeat("\"ä\"", 500_000)) + "]"));
        Assert.Equal(MediaTypes.Text, TypeOf(new string('[', 100_000)));
    }

    private static string TypeOf(string text)
    {
        var sniffer = new ContentSniffer();
        foreach (var piece in Encoding.UTF8.GetBytes(text).Chunk(64 * 1024))
        {
            sniffer.Add(piece);
        }

        return sniffer.TypeOf("a");
    }
}
