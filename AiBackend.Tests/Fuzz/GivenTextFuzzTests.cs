using System.Globalization;
using System.Text;
using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Core.Contracts;
using AiBackend.Core.Files;
using AiBackend.Core.Files.Sniffing;
using AiBackend.Core.Knowledge;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Fuzz;

/// <summary>Files, answers of models and headers, whatever they are made of: each is read in its own way, and none hurts.</summary>
public sealed class GivenTextFuzzTests
{
    private static readonly Dictionary<string, (byte[][] Good, Func<byte[], bool> Parse)> Parsers = new(StringComparer.Ordinal)
    {
        ["kind of a file"] = (
            [
                [0x89, .. "PNG\r\n"u8, 0x1A, 0x0A, 0, 0, 0, 13, .. "IHDR"u8, 0, 0, 0, 9, 0, 0, 0, 9, 8, 2, 0, 0, 0],
                [.. "GIF89a"u8, 9, 0, 9, 0, 0, 0, 0],
                [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0, 0, 0xFF, 0xC0, 0, 11, 8, 0, 9, 0, 9, 1, 1, 17, 0, 0xFF, 0xD9],
                [.. "RIFF"u8, 30, 0, 0, 0, .. "WEBPVP8X"u8, 10, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 8, 0, 0],
                [.. "RIFF"u8, 30, 0, 0, 0, .. "WEBPVP8L"u8, 10, 0, 0, 0, 0x2F, 8, 0, 2, 0, 0, 0, 0, 0, 0],
                [.. "RIFF"u8, 30, 0, 0, 0, .. "WEBPVP8 "u8, 10, 0, 0, 0, 0, 0, 0, 0x9D, 1, 0x2A, 9, 0, 9, 0],
                Bytes("%PDF-1.7\n1 0 obj"),
                Bytes("""{"a":[1,"ä",{"b":null}]}"""),
                Bytes("a,b\n1,\"2\"\n"),
            ],
            file =>
            {
                var kind = KindOf(file, file.Length);
                // Pieces are as the store makes them: none is smaller than the head that tells a picture.
                Assert.Equal(kind, KindOf(file, 64));
                return kind != MediaTypes.Unknown;
            }
        ),
        ["table"] = (
            [Bytes("a,b\r\n\"1\n\"\"x\",2\r\n"), Bytes("```csv\na,b\n1,2\n```"), Bytes("a\n1")],
            text => CsvTable.FindFault(CsvTable.Unfenced(Text(text))) is null
        ),
        ["JSON of a model"] = (
            [
                Bytes("""Here it is: {"a":"5","b":[true,{"c":"x \" ]"}]} Enjoy."""),
                Bytes("```json\n{\"a\":\"1\",\"b\":[1,2,],}\n```"),
                Bytes("""[{"a":"true"}]"""),
            ],
            text =>
            {
                if (JsonRepair.Read(Text(text), mayMend: true, out var fault) is not { } read)
                {
                    Assert.NotEmpty(fault);
                    return false;
                }

                // What was mended needs no mending, and says the same.
                var again = JsonRepair.Read(read.Text, mayMend: false, out _);
                Assert.True(again is not null && JsonElement.DeepEquals(read.Value, again.Value), read.Text);
                JsonRepair.RetypeTexts(read.Value, new HashSet<string>(["", "/a", "/0/a", "/b/0"], StringComparer.Ordinal));
                return true;
            }
        ),
        ["passages"] = (
            [Bytes("# One\n\nTwo. Three.\r\n## Four\n" + new string('x', 2500) + " ä 😀")],
            text =>
            {
                var whole = Text(text);
                var passages = TextPassages.Of(whole);
                Assert.Equal(Letters(whole), Letters(string.Concat(passages)));
                return passages.Count > 0;
            }
        ),
        ["file name"] = (
            [Bytes("../../etc/passwd"), Bytes("C:\\a\\b.txt"), Bytes(new string('n', 300) + "😀.md")],
            sent =>
            {
                var name = FileNames.Clean(Text(sent), "usual");
                Assert.InRange(name.Length, 1, 255);
                Assert.DoesNotContain(name, each => each is '/' or '\\' or '"' || char.IsControl(each));
                return true;
            }
        ),
        ["Prefer"] = (
            [Bytes("respond-async, wait=10"), Bytes("wait=\"60\"; x=y\nreturn=minimal")],
            lines =>
            {
                var headers = new HeaderDictionary { ["Prefer"] = Text(lines).Split('\n') };
                var wait = Preferences.Wait(headers);
                Assert.InRange(wait, TimeSpan.Zero, Preferences.LongestWait);
                return wait > TimeSpan.Zero;
            }
        ),
    };

    public static TheoryData<string> Names => [.. Parsers.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void What_the_bytes_are_made_of_is_taken(string parser) =>
        Assert.All(Parsers[parser].Good, good => Assert.True(Parsers[parser].Parse(good), Convert.ToBase64String(good)));

    [Theory]
    [MemberData(nameof(Names))]
    public void A_85_no_bytes_surprise_who_reads_what_is_given(string parser) =>
        FuzzRun.Check(parser, InputsOf(parser), Parsers[parser].Parse);

    [Theory]
    [MemberData(nameof(Names))]
    [Trait("Category", "Long")]
    public void A_85_no_bytes_surprise_who_reads_what_is_given_for_long(string parser) =>
        FuzzRun.CheckForLong(parser, InputsOf(parser), Parsers[parser].Parse, Parsers.Count);

    private static Gen<byte[]> InputsOf(string parser)
    {
        byte[][] more =
        [
            Bytes("```"),
            Bytes("\r\n"),
            Bytes("\"\""),
            Bytes(",]"),
            Bytes("wait="),
            Bytes("2147483648"),
            [0xFF, 0xFF, 0xFF, 0xFF],
            [0xFF, 0xC0, 0, 0],
            [0xFF, 0xE1, 0xFF, 0xFF],
            Bytes("VP8X"),
            Bytes("/"),
        ];
        return Gen.Frequency((9, Mutations.Of([.. Parsers[parser].Good, .. SavedInputs.Of(parser)], more)), (1, Mutations.Any));
    }

    private static string KindOf(byte[] file, int piece)
    {
        var sniffer = new ContentSniffer();
        foreach (var part in file.Chunk(Math.Max(1, piece)))
        {
            sniffer.Add(part);
        }

        return sniffer.TypeOf("file");
    }

    private static string Letters(string text) =>
        string.Concat(text.Where(each => !char.IsWhiteSpace(each) && CharUnicodeInfo.GetUnicodeCategory(each) != UnicodeCategory.Control));

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes);
}
