using System.Text;
using AiBackend.Core.Providers.Wire;
using AiBackend.Tests.Fixtures;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Providers;

/// <summary>P-3: the events are the same however their bytes are cut, and no bytes can hurt.</summary>
public sealed class SseReaderTests
{
    private static readonly string[] LineEnds = ["\n", "\r\n", "\r"];

    /// <summary>Data lines of an event: letters of every length, and what looks like syntax.</summary>
    private static readonly Gen<string> Line = Gen.Elements(
        "{\"a\":1}",
        "x",
        " leading",
        "ü",
        "世界",
        "🎉",
        "a:b",
        ":",
        "data: nested",
        "[DONE]",
        "\uFEFF"
    );

    private static readonly Gen<string[]> Event = Line.NonEmptyListOf().Select(lines => lines.Take(4).ToArray());

    [Fact]
    public void P_3_Any_events_in_any_pieces_are_read_as_they_were_written()
    {
        var cases =
            from events in Event.ListOf()
            from lineEnd in Gen.Elements(LineEnds)
            from noise in Gen.Elements("", ": comment", "event: message", "id: 3", "retry: 5", "unknown: x", "novalue")
            from mark in Gen.Elements("", "\uFEFF")
            from cuts in Gen.Choose(1, 9).NonEmptyListOf()
            select (events, lineEnd, noise, mark, cuts);

        Prop.ForAll(
                cases.ToArbitrary(),
                each =>
                {
                    var (events, lineEnd, noise, mark, cuts) = each;
                    var text = new StringBuilder(mark);
                    foreach (var lines in events)
                    {
                        text.Append(noise).Append(noise.Length > 0 ? lineEnd : "");
                        text.Append(string.Concat(lines.Select(line => "data: " + line + lineEnd))).Append(lineEnd);
                    }

                    var read = ReadAll(new PiecewiseStream(Encoding.UTF8.GetBytes(text.ToString()), cuts));

                    Assert.Equal(events.Select(lines => string.Join('\n', lines)), read);
                }
            )
            .QuickCheckThrowOnFailure();
    }

    [Fact]
    public void P_3_Arbitrary_bytes_never_throw_and_never_loop()
    {
        var bytes = Gen.OneOf(
            Gen.Elements<byte>(0x0A, 0x0D, 0x3A, 0x20, 0x64, 0xEF, 0xBB, 0xBF),
            Gen.Choose(0, 255).Select(value => (byte)value)
        );
        var cases = from garbage in bytes.ArrayOf() from cuts in Gen.Choose(1, 9).NonEmptyListOf() select (garbage, cuts);

        Prop.ForAll(
                cases.ToArbitrary(),
                each =>
                    Assert.Equal(
                        ReadAll(new PiecewiseStream(each.garbage, [each.garbage.Length + 1])),
                        ReadAll(new PiecewiseStream(each.garbage, each.cuts))
                    )
            )
            .QuickCheckThrowOnFailure();
    }

    [Fact]
    public void An_event_at_the_very_end_counts_even_without_its_blank_line()
    {
        Assert.Equal(["a", "b"], ReadAll(new PiecewiseStream("data: a\n\ndata: b"u8.ToArray(), [4])));
        Assert.Equal(["a", "b"], ReadAll(new PiecewiseStream("data: a\r\rdata: b\r"u8.ToArray(), [4])));
    }

    [Fact]
    public void A_mark_that_only_begins_like_a_byte_order_mark_is_data() =>
        Assert.Equal(["x"], ReadAll(new PiecewiseStream([0xEF, 0xBB, (byte)'\n', .. "data: x\n\n"u8], [1])));

    [Theory]
    [InlineData("data: ")]
    [InlineData("")]
    [InlineData(": ")]
    public async Task F_26_A_line_without_end_is_refused_before_it_fills_the_memory(string beginning)
    {
        var endless = new EndlessStream(Encoding.UTF8.GetBytes(beginning), Encoding.UTF8.GetBytes("x"));
        using var reader = new SseReader(endless);

        await Assert.ThrowsAsync<SseLimitException>(() => reader.ReadAsync(TestRun.Cancel).AsTask());

        Assert.InRange(endless.Taken, SseReader.MaxLine, 2 * SseReader.MaxLine);
    }

    [Fact]
    public async Task F_26_An_event_of_endless_lines_is_refused_before_it_fills_the_memory()
    {
        var endless = new EndlessStream([], "data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"u8.ToArray());
        using var reader = new SseReader(endless);

        await Assert.ThrowsAsync<SseLimitException>(() => reader.ReadAsync(TestRun.Cancel).AsTask());

        Assert.InRange(endless.Taken, SseReader.MaxLine, 3 * SseReader.MaxLine);
    }

    [Fact]
    public async Task A_line_just_below_the_limit_is_read_even_in_tiny_pieces()
    {
        byte[] line = [.. "data: "u8, .. Enumerable.Repeat((byte)'x', 1_000_000), .. "\n\n"u8];
        using var reader = new SseReader(new PiecewiseStream(line, [1]));

        Assert.True(await reader.ReadAsync(TestRun.Cancel));
        Assert.Equal(1_000_000, reader.Data.Length);
    }

    private static List<string> ReadAll(Stream stream)
    {
        using var reader = new SseReader(stream);
        var all = new List<string>();
        // Both streams complete at once, so nothing blocks.
        while (reader.ReadAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult())
        {
            all.Add(Encoding.UTF8.GetString(reader.Data));
        }

        return all;
    }
}
