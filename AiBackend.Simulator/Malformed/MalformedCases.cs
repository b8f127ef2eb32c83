using System.IO.Compression;
using System.Text;
using static AiBackend.Simulator.Malformed.WellFormed;

namespace AiBackend.Simulator.Malformed;

/// <summary>The corpus of F-26: what providers and the proxies before them really send.</summary>
internal static class MalformedCases
{
    private static readonly string Proper = Stream([.. Data, Done]);
    private static readonly string Started = Stream([Role, .. Deltas]);

    public static readonly IReadOnlyList<MalformedCase> All =
    [
        new("crlf", true, "Lines end with CR LF.", Proper.Replace("\n", "\r\n", StringComparison.Ordinal)),
        new("cr", true, "Lines end with CR alone.", Proper.Replace('\n', '\r')),
        new("mixed_line_ends", true, "CR, LF and CR LF in one stream.", () => [Encoding.UTF8.GetBytes(MixLineEnds(Proper))]),
        new(
            "crlf_split",
            true,
            "CR and LF in different packets.",
            () => Encoding.UTF8.GetBytes(Proper.ReplaceLineEndings("\r\n")).SplitAfter((byte)'\r')
        ),
        new("bom", true, "A byte order mark first.", "\uFEFF" + Proper),
        new(
            "comments",
            true,
            "Comment lines between events.",
            ": keep-alive\n\n" + Proper.Replace("\n\n", "\n:\n: processing\n\n", StringComparison.Ordinal)
        ),
        new("one_byte_writes", true, "Every byte in its own packet; letters are split.", () => Encoding.UTF8.GetBytes(Proper).Chunk(1)),
        new("split_utf8", true, "Packets end inside letters.", () => Encoding.UTF8.GetBytes(Proper).SplitAfter(0xC3, 0xE4, 0xF0)),
        new("no_space", true, "No space after 'data:'.", Proper.Replace("data: ", "data:", StringComparison.Ordinal)),
        new(
            "other_fields",
            true,
            "event, id, retry and unknown fields.",
            Proper.Replace("data: ", "event: message\nid: 7\nretry: 10\nx-new: 1\ndata: ", StringComparison.Ordinal)
        ),
        new("several_data_lines", true, "JSON over several data lines.", Stream([.. Data.Select(Lines), Done])),
        new("extra_blank_lines", true, "Many blank lines.", "\n\n\n" + Proper.Replace("\n\n", "\n\n\n\n", StringComparison.Ordinal)),
        new("empty_data", true, "Events without data.", Proper.Replace("\n\n", "\n\ndata:\n\ndata: \n\n", StringComparison.Ordinal)),
        new("no_final_newline", true, "The last line does not end.", Proper.TrimEnd('\n')),
        new("no_done", true, "No [DONE], but a finish_reason.", Stream(Data)),
        new("done_without_finish", true, "[DONE], but no finish_reason.", Started + "data: [DONE]\n\n"),
        new("done_twice", true, "[DONE] twice.", Proper + "data: [DONE]\n\n"),
        new("data_after_done", true, "More text after [DONE].", Proper + Stream([Chunk("""{"content":"never shown"}""")])),
        new(
            "garbage_after_done",
            true,
            "Bytes that are no text after [DONE].",
            () => [Encoding.UTF8.GetBytes(Proper), [0xFF, 0x00, 0xFE, 0x0A, 0x80]]
        ),
        new("unknown_event", true, "Events of an unknown type.", "event: ping\ndata: {\"type\":\"ping\"}\n\n" + Proper),
        new(
            "unknown_members",
            true,
            "Members nobody has heard of.",
            Proper.Replace("\"index\":0", "\"x\":{\"y\":[1,{\"choices\":[]}]},\"index\":0", StringComparison.Ordinal)
        ),
        new("other_choices", true, "A second choice in between.", Stream([Role, .. Deltas.SelectMany(WithOtherChoice), Finish, Done])),
        new(
            "null_members",
            true,
            "null where a value may be missing.",
            Stream([Chunk("""{"role":"assistant","content":null}"""), Envelope("null"), .. Deltas, Finish, Done])
        ),
        new("no_usage", true, "No token counts.", Stream([Role, .. Deltas, Finish, Done])),
        new("null_usage", true, "usage is null.", Stream([Role, .. Deltas, Finish, Envelope("[],\"usage\":null"), Done])),
        new(
            "negative_usage",
            true,
            "Token counts below zero.",
            Proper.Replace("\"prompt_tokens\":7", "\"prompt_tokens\":-7", StringComparison.Ordinal)
        ),
        new(
            "absurd_usage",
            true,
            "Token counts that are no numbers.",
            Proper
                .Replace("\"prompt_tokens\":7", "\"prompt_tokens\":1e99", StringComparison.Ordinal)
                .Replace(":4,", ":\"four\",", StringComparison.Ordinal)
        ),
        new("gzip", true, "Compressed, though nobody asked.", () => [Zip(Proper)]) { ContentEncoding = "gzip" },
        new("wrong_content_type", true, "Events that call themselves text/plain.", Proper) { ContentType = "text/plain" },
        new(
            "lone_surrogate",
            true,
            "A letter escaped as two halves in two chunks.",
            Stream([Role, .. Deltas.SkipLast(1), Chunk("""{"content":" \ud83c"}"""), Chunk("""{"content":"\udf89!"}"""), Finish, Done])
        ),
        new(
            "reasoning",
            true,
            "The model thinks aloud first.",
            Stream([
                Role,
                Chunk("""{"reasoning_content":"let me see","content":null}"""),
                Chunk("""{"reasoning":"hm"}"""),
                .. Deltas,
                Finish,
                Done,
            ])
        ),
        new("json_content_type", true, "Events that call themselves JSON.", Proper) { ContentType = "application/json" },
        new(
            "one_big_event",
            true,
            "The whole text in one event.",
            Stream([Chunk($$"""{"role":"assistant","content":"{{Text}}"}""", "\"stop\""), Done])
        ),
        new("nothing", false, "An empty body.", ""),
        new("only_done", false, "[DONE] and nothing else.", "data: [DONE]\n\n"),
        new("no_finish", false, "The stream ends in the middle, politely.", Started),
        new("not_json", false, "data that is no JSON.", Started + "data: this is not JSON\n\n"),
        new("json_array", false, "data that is JSON, but no object.", Started + "data: [1,2,3]\n\n"),
        new(
            "truncated_json",
            false,
            "An event that ends inside its JSON.",
            Started + "data: " + Finish[..(Finish.Length / 2)] + "\n\ndata: [DONE]\n\n"
        ),
        new("wrong_types", false, "choices is a text.", Started + Stream([Envelope("\"many\""), Finish, Done])),
        new("content_is_number", false, "content is a number.", Started + Stream([Chunk("""{"content":42}"""), Finish, Done])),
        new(
            "deep_json",
            false,
            "JSON nested a thousand times.",
            Started + $"data: {{\"a\":{new string('[', 1000)}{new string(']', 1000)}}}\n\n" + Stream([Finish, Done])
        ),
        new(
            "invalid_utf8",
            false,
            "Bytes that are no UTF-8 inside the text.",
            () =>
                [
                    Encoding.UTF8.GetBytes(Started),
                    [.. "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\""u8, 0xFF, 0xFE, .. "\"}}]}\n\n"u8],
                    Encoding.UTF8.GetBytes(Stream([Finish, Done])),
                ]
        ),
        new(
            "line_10_mb",
            false,
            "One line of 10 MB.",
            () =>
                [
                    Encoding.UTF8.GetBytes(Started + "data: {\"x\":\""),
                    .. BigLine(),
                    Encoding.UTF8.GetBytes("\"}\n\n" + Stream([Finish, Done])),
                ]
        ),
        new("line_without_end", false, "10 MB without any line end.", BigLine),
        new("html", false, "A proxy's error page with status 200.", "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>\n")
        {
            ContentType = "text/html",
        },
        new("html_as_events", false, "The same, called text/event-stream.", "<html><body><h1>502 Bad Gateway</h1></body></html>\n"),
        new("json_instead", false, "One JSON object instead of events.", Envelope("[]") + "\n") { ContentType = "application/json" },
        new("bad_gzip", false, "Says gzip and is not.", Proper) { ContentEncoding = "gzip" },
        new("unknown_encoding", false, "An encoding nobody knows.", Proper) { ContentEncoding = "snappy" },
        new(
            "error_event",
            false,
            "An error object in the stream.",
            Started + "data: {\"error\":{\"message\":\"simulated overload\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n"
        ),
        new(
            "named_error_event",
            false,
            "An event of type error.",
            Started + "event: error\ndata: {\"message\":\"simulated overload\"}\n\n"
        ),
        new("huge_error", false, "Status 500 with a body of 10 MB.", BigLine) { ContentType = "application/json", Status = 500 },
        new("cut_in_event", false, "The connection breaks inside an event.", Started + "data: " + Finish[..20]) { Cut = true },
        new("cut_before_event", false, "The connection breaks before any event.", ": hello\n\n") { Cut = true },
    ];

    private static readonly Dictionary<string, MalformedCase> ByName = All.ToDictionary(each => each.Name, StringComparer.Ordinal);

    public static MalformedCase? Find(string name) => ByName.GetValueOrDefault(name);

    private static string MixLineEnds(string text)
    {
        // Never CR before LF by accident: that would be one line end, and the events would run together.
        string[] ends = ["\n\r\n", "\r\n\n", "\r\r", "\n\r", "\r\n\r\n"];
        return string.Concat(text.TrimEnd('\n').Split("\n\n").Select((each, index) => each + ends[index % ends.Length]));
    }

    private static string Lines(string json) => Pretty(json).ReplaceLineEndings("\n").Replace("\n", "\ndata: ", StringComparison.Ordinal);

    private static IEnumerable<string> WithOtherChoice(string delta) =>
        [delta.Replace("\"index\":0", "\"index\":1", StringComparison.Ordinal), delta];

    private static IEnumerable<byte[]> SplitAfter(this byte[] bytes, params byte[] marks)
    {
        var start = 0;
        for (var i = 0; i < bytes.Length; i++)
        {
            if (marks.Contains(bytes[i]))
            {
                yield return bytes[start..(i + 1)];
                start = i + 1;
            }
        }

        yield return bytes[start..];
    }

    private static IEnumerable<byte[]> BigLine()
    {
        var piece = new byte[64 * 1024];
        Array.Fill(piece, (byte)'x');
        return Enumerable.Repeat(piece, 160);
    }

    private static byte[] Zip(string text)
    {
        using var zipped = new MemoryStream();
        using (var zip = new GZipStream(zipped, CompressionLevel.Fastest))
        {
            zip.Write(Encoding.UTF8.GetBytes(text));
        }

        return zipped.ToArray();
    }
}
