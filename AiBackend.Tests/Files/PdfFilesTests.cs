using System.Text;
using AiBackend.Core.Files;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Fuzz;
using AiBackend.Worker.Execution.Attached;
using FsCheck.Fluent;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Files;

/// <summary>What PDFs say is found in a process of its own, which no document takes anybody along with.</summary>
public sealed class PdfFilesTests
{
    private const int Room = 10_000;

    [Fact]
    public async Task The_text_of_each_page_is_found_in_order()
    {
        var (fault, text) = await ReadAsync(SamplePdfs.Of("The lamp is blue.", "The filter is full."));

        Assert.Null(fault);
        Assert.Equal("[Page 1]\nThe lamp is blue.\n[Page 2]\nThe filter is full.\n", text);
    }

    public static TheoryData<string, byte[], string, bool> Wrong =>
        new()
        {
            { "broken", "%PDF-1.7 and nothing else"u8.ToArray(), "cannot be read", false },
            { "cut", SamplePdfs.Of("The lamp is blue.")[..120], "cannot be read", false },
            { "encrypted", SamplePdfs.Encrypted, "encrypted", false },
            { "no text", SamplePdfs.WithContents(["0 0 100 100 re f"]), "no text", false },
            { "pages", SamplePdfs.Of([.. Enumerable.Repeat("page", 6)]), "more than 5 pages", true },
            { "text", SamplePdfs.Of(new string('x', Room)), "more text than the 10000 bytes", true },
            { "deep", SamplePdfs.Deep, "cannot be read", false },
        };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task A_60_what_cannot_be_read_is_said_and_this_process_lives(string name, byte[] pdf, string said, bool isTooLarge)
    {
        var (fault, text) = await ReadAsync(pdf);

        Assert.True(fault is not null, $"{name} was read: {text}");
        Assert.Contains(said, fault.Message, StringComparison.Ordinal);
        Assert.Equal(isTooLarge, fault.IsTooLarge);
    }

    [Fact]
    public async Task A_60_one_that_takes_too_long_is_ended()
    {
        var slow = SamplePdfs.WithContents([string.Concat(Enumerable.Repeat("BT /F1 12 Tf 20 100 Td (word) Tj ET\n", 400_000))]);

        var (fault, _) = await ReadAsync(slow, TimeSpan.FromSeconds(1));

        Assert.Contains("longer than 1 s", fault!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public Task A_85_no_bytes_of_a_PDF_take_anybody_along() => FuzzAsync(documents: 6);

    [Fact]
    [Trait("Category", "Long")]
    public Task A_85_no_bytes_of_a_PDF_take_anybody_along_for_long() => FuzzAsync(documents: 1_000);

    /// <summary>Each has a process of its own, which is what makes them few.</summary>
    private static async Task FuzzAsync(int documents)
    {
        byte[][] more =
        [
            "/Length -1"u8.ToArray(),
            "endstream"u8.ToArray(),
            "1 0 R"u8.ToArray(),
            "<<"u8.ToArray(),
            "99999999999 0 obj"u8.ToArray(),
        ];
        var good = new[] { SamplePdfs.Of("The lamp is blue.", "Two."), SamplePdfs.Encrypted };
        await Parallel.ForEachAsync(
            Mutations.Of(good, more).Sample(documents),
            new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = TestRun.Cancel },
            async (pdf, _) =>
            {
                var (fault, text) = await ReadAsync(pdf, TimeSpan.FromSeconds(20));

                var shown = Convert.ToBase64String(pdf);
                Assert.True(fault is null ? text.Length > 0 : fault.Message.Length > 0, shown);
                Assert.InRange(Encoding.UTF8.GetByteCount(text), 0, Room);
                Assert.DoesNotContain('\0', text);
            }
        );
    }

    private static async Task<(PdfFault? Fault, string Text)> ReadAsync(byte[] pdf, TimeSpan? patience = null)
    {
        var options = new FilesOptions { MaxPdfPages = 5, PdfPatience = patience ?? TimeSpan.FromSeconds(60) };
        using var pdfs = new PdfTexts(Options.Create(options), TimeProvider.System);
        return await pdfs.ReadAsync(pdf, Room, TestRun.Cancel);
    }
}
