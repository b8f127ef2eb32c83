using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using static AiBackend.Tests.Providers.Wire;

namespace AiBackend.Tests.Providers;

/// <summary>F-26 for Anthropic's events: what is legal is read, what is not is named, and nothing is taken for an answer that is none.</summary>
public sealed class AnthropicStreamTests
{
    private const string Kind = Wire.Anthropic;
    private const string Text = "Grüße, 世界 🎉";

    private static readonly string Proper = Answer(Kind, "Grüße", ", 世界", " 🎉");

    // Never CR before LF by accident: that would be one line end.
    private static readonly string[] LineEnds = ["\n\r\n", "\r\n\n", "\r\r", "\n\r", "\r\n\r\n"];

    private static readonly Dictionary<string, RawReply> LegalStreams = new(StringComparer.Ordinal)
    {
        ["proper"] = RawReply.Stream(Proper),
        ["crlf"] = RawReply.Stream(Proper.Replace("\n", "\r\n", StringComparison.Ordinal)),
        ["cr"] = RawReply.Stream(Proper.Replace('\n', '\r')),
        ["bom"] = RawReply.Stream("\uFEFF" + Proper),
        ["comments"] = RawReply.Stream(Proper.Replace("\n\n", "\n\n: alive\n\n", StringComparison.Ordinal)),
        ["byte_by_byte"] = RawReply.Trickled(Proper),
        ["zipped"] = RawReply.Zipped(Proper),
        ["no_event_names"] = RawReply.Stream(
            string.Concat(Proper.Split('\n').Where(line => !line.StartsWith("event:")).Select(line => line + "\n"))
        ),
        ["pings"] = RawReply.Stream(Proper.Replace("\n\n", "\n\n" + Event("ping"), StringComparison.Ordinal)),
        ["unknown_events"] = RawReply.Stream(
            Proper.Replace("\n\n", "\n\n" + Event("news", """ "x":{"delta":[1]} """), StringComparison.Ordinal)
        ),
        ["unknown_members"] = RawReply.Stream(
            Proper.Replace("\"delta\":{", "\"new\":[{\"a\":{}}],\"delta\":{\"newer\":{\"text\":\"no\"},", StringComparison.Ordinal)
        ),
        ["unknown_delta"] = RawReply.Stream(
            Proper.Replace(
                "event: content_block_stop",
                "event: x\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"citations_delta\",\"citation\":{\"text\":\"no\"}}}\n\nevent: content_block_stop",
                StringComparison.Ordinal
            )
        ),
        ["type_last"] = RawReply.Stream(
            Proper.Replace(
                """{"type":"text_delta","text":", 世界"}""",
                """{"text":", 世界","type":"text_delta"}""",
                StringComparison.Ordinal
            )
        ),
        ["escaped"] = RawReply.Stream(Proper.Replace("世", "\\u4e16", StringComparison.Ordinal)),
        ["half_letters"] = RawReply.Stream(Begun(Kind, "Grüße", ", 世界", " ") + Piece("\\ud83c") + Piece("\\udf89") + End(Kind)),
        ["two_blocks"] = RawReply.Stream(
            Begun(Kind, "Grüße")
                + Event("content_block_stop", """ "index":0 """)
                + Event("content_block_start", """ "index":1,"content_block":{"type":"text","text":", "} """)
                + Piece("世界 🎉")
                + End(Kind)
        ),
        ["nulls"] = RawReply.Stream(
            Event("content_block_delta", """ "delta":null """) + Event("message_start", """ "message":null """) + Piece(Text) + End(Kind)
        ),
        ["no_message_stop"] = RawReply.Stream(Proper.Replace(Event("message_stop"), "", StringComparison.Ordinal)),
        ["stop_without_reason"] = RawReply.Stream(Begun(Kind, Text) + Event("message_stop")),
        ["more_after_stop"] = RawReply.Stream(Proper + Begun(Kind, "never shown")),
        ["garbage_after_stop"] = RawReply.Stream(Proper + "data: <html>\n\n"),
        ["cut_after_stop"] = RawReply.Cut(Proper),
        ["mixed_line_ends"] = RawReply.Stream(
            string.Concat(Proper.TrimEnd('\n').Split("\n\n").Select((each, i) => each + LineEnds[i % LineEnds.Length]))
        ),
        ["split_utf8"] = RawReply.Trickled(Begun(Kind) + Piece("Grüße, ") + Piece("世界 🎉") + End(Kind)),
        ["text_content_type"] = RawReply.Stream(Proper, "text/plain"),
        ["json_content_type"] = RawReply.Stream(Proper, "application/json"),
        ["no_usage"] = RawReply.Stream(Proper.Replace("\"usage\"", "\"uses\"", StringComparison.Ordinal)),
        ["negative_usage"] = RawReply.Stream(Proper.Replace("_tokens\":", "_tokens\":-", StringComparison.Ordinal)),
        ["stopped_twice"] = RawReply.Stream(Proper + Event("message_stop")),
        ["no_space"] = RawReply.Stream(Proper.Replace("data: ", "data:", StringComparison.Ordinal)),
        ["other_fields"] = RawReply.Stream(Proper.Replace("event: ", "id: 7\nretry: 10\nx-new: 1\nevent: ", StringComparison.Ordinal)),
        ["empty_data"] = RawReply.Stream(Proper.Replace("\n\n", "\n\ndata:\n\ndata: \n\n", StringComparison.Ordinal)),
        ["no_final_newline"] = RawReply.Stream(Proper.TrimEnd('\n')),
    };

    private static readonly Dictionary<string, RawReply> IllegalStreams = new(StringComparer.Ordinal)
    {
        ["nothing"] = RawReply.Stream(""),
        ["pings_only"] = RawReply.Stream(Event("ping") + Event("ping")),
        ["page"] = RawReply.Stream("<html><body>Welcome to our network</body></html>"),
        ["html"] = RawReply.Stream("<html><body>Bad gateway</body></html>", "text/html"),
        ["bad_zip"] = new([.. RawReply.Zipped(Proper).Packets.SkipLast(1), [.. Enumerable.Repeat((byte)'x', 4096)]]),
        ["line_10_mb"] = RawReply.Stream(Begun(Kind, "x") + $"data: {{\"x\":\"{new string('x', 10_000_000)}\"}}\n\n" + End(Kind)),
        ["deep_json"] = RawReply.Stream(
            Begun(Kind, "x") + $"data: {{\"a\":{new string('[', 1000)}{new string(']', 1000)}}}\n\n" + End(Kind)
        ),
        ["invalid_utf8"] = new([
            .. RawReply
                .Stream(Begun(Kind) + Piece("Grüße") + End(Kind))
                .Packets.Select(packet => packet.Select(each => each == 0xC3 ? (byte)0xFF : each).ToArray()),
        ]),
        ["no_reason_and_no_stop"] = RawReply.Stream(Begun(Kind, "half of it")),
        ["page_as_data"] = RawReply.Stream("data: <html>\n\n"),
        ["plain_json"] = RawReply.Stream("""{"type":"message","content":[{"type":"text","text":"whole"}],"stop_reason":"end_turn"}"""),
        ["other_protocol"] = RawReply.Stream(Answer(OpenAi, "wrong", "number")),
        ["cut_json"] = RawReply.Stream(Begun(Kind, "x") + "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\n\n" + End(Kind)),
        ["not_json"] = RawReply.Stream(Begun(Kind, "x") + "data: not json\n\n" + End(Kind)),
        ["list"] = RawReply.Stream(Begun(Kind, "x") + "data: []\n\n" + End(Kind)),
        ["two_objects"] = RawReply.Stream(Begun(Kind, "x") + "data: {\"type\":\"ping\"}{\"type\":\"ping\"}\n\n" + End(Kind)),
        ["text_is_a_number"] = RawReply.Stream(Begun(Kind, "x") + Event("content_block_delta", """ "delta":{"text":5} """) + End(Kind)),
        ["delta_is_a_text"] = RawReply.Stream(Begun(Kind, "x") + Event("content_block_delta", """ "delta":"y" """) + End(Kind)),
        ["type_is_a_number"] = RawReply.Stream(Begun(Kind, "x") + "data: {\"type\":5}\n\n" + End(Kind)),
        ["reason_is_an_object"] = RawReply.Stream(Begun(Kind, "x") + Event("message_delta", """ "delta":{"stop_reason":{}} """)),
        ["endless_line"] = RawReply.Stream(Begun(Kind, "x") + "data: " + new string('x', 3 * 1024 * 1024)),
        ["stop_at_once"] = RawReply.Stream(Event("message_stop")),
        ["unknown_packing"] = new([
            .. RawReply
                .Zipped(Proper)
                .Packets.Select(
                    (packet, i) =>
                        i == 0
                            ?
                            [
                                .. System.Text.Encoding.UTF8.GetBytes(
                                    System.Text.Encoding.UTF8.GetString(packet).Replace("gzip", "zstd", StringComparison.Ordinal)
                                ),
                            ]
                            : packet
                ),
        ]),
    };

    public static TheoryData<string> Legal => [.. LegalStreams.Keys];

    public static TheoryData<string> Illegal => [.. IllegalStreams.Keys];

    [Fact]
    public void F_26_The_corpus_has_at_least_25_cases_of_both_kinds()
    {
        Assert.True(Legal.Count >= 25);
        Assert.True(Illegal.Count >= 15);
    }

    [Theory]
    [MemberData(nameof(Legal))]
    public async Task F_26_An_unusual_stream_is_read_in_full(string name)
    {
        await using var provider = new RawProvider(LegalStreams[name]);
        using var providers = ProviderHost.OfKind(Kind, provider.Address);

        var progress = await providers.StreamAsync().ReadAllAsync();

        Assert.Equal(Text, progress.Text());
        Assert.IsType<ChatProgress.Finished>(progress[^1]);
    }

    [Theory]
    [MemberData(nameof(Illegal))]
    public async Task F_26_A_wrong_stream_is_a_retryable_failure_with_a_name(string name)
    {
        await using var provider = new RawProvider(IllegalStreams[name]);
        using var providers = ProviderHost.OfKind(Kind, provider.Address);

        var failure = await Failure.OfAsync(providers.StreamAsync());

        Assert.Equal((ProviderFailureCodes.ProtocolError, "transient", true), (failure.Code, failure.Class, failure.Retryable));
    }

    [Theory]
    [InlineData("event: error\ndata: out of order\n\n")]
    [InlineData("event: error\ndata: {\"type\":\"error\"}\n\n")]
    [InlineData("data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n")]
    [InlineData("data: {\"type\":\"error\",\"error\":\"gone\"}\n\n")]
    public async Task An_error_is_one_however_it_is_said(string error)
    {
        await using var provider = new RawProvider(RawReply.Stream(Begun(Kind, "half") + error + End(Kind)));
        using var providers = ProviderHost.OfKind(Kind, provider.Address);

        var (progress, failure) = await Failure.WithProgressAsync(providers.StreamAsync());

        Assert.Equal(("half", ProviderFailureCodes.Unavailable), (progress.Text(), failure.Code));
    }

    [Fact]
    public async Task U_0000_which_Postgres_cannot_store_arrives_as_a_replacement_character()
    {
        await using var provider = new RawProvider(RawReply.Stream(Begun(Kind) + Piece("a\\u0000b") + End(Kind)));
        using var providers = ProviderHost.OfKind(Kind, provider.Address);

        Assert.Equal("a\uFFFDb", (await providers.StreamAsync().ReadAllAsync()).Text());
    }

    private static string Piece(string escaped) =>
        Event("content_block_delta", $$""" "index":0,"delta":{"type":"text_delta","text":"{{escaped}}"} """);
}
