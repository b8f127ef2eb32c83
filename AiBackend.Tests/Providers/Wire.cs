using System.Text.Json;

namespace AiBackend.Tests.Providers;

/// <summary>How each protocol that we speak says the same things.</summary>
internal static class Wire
{
    public const string OpenAi = "openai";
    public const string Anthropic = "anthropic";

    public static TheoryData<string> Kinds => [OpenAi, Anthropic];

    /// <summary>A whole answer in these pieces.</summary>
    public static string Answer(string kind, params ReadOnlySpan<string> pieces) => Begun(kind, pieces) + End(kind);

    /// <summary>An answer as far as its last piece.</summary>
    public static string Begun(string kind, params ReadOnlySpan<string> pieces)
    {
        var events = kind == OpenAi ? "" : AnthropicBeginning;
        foreach (var piece in pieces)
        {
            var text = JsonSerializer.Serialize(piece);
            events +=
                kind == OpenAi
                    ? Chunk($$$"""{"index":0,"delta":{"content":{{{text}}}}}""")
                    : Event("content_block_delta", $$""" "index":0,"delta":{"type":"text_delta","text":{{text}}} """);
        }

        return events;
    }

    /// <summary>What follows the last piece: 12 tokens read, of them 4 from a cache, and 5 written.</summary>
    /// <param name="reason">The protocol's own word.</param>
    public static string End(string kind, string? reason = null) =>
        kind == OpenAi
            ? Chunk($$"""{"index":0,"delta":{},"finish_reason":"{{reason ?? "stop"}}"}""")
                + """data: {"choices":[],"model":"m-2026","usage":{"prompt_tokens":12,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4}}}"""
                + "\n\ndata: [DONE]\n\n"
            : Event("content_block_stop", """ "index":0 """)
                + Event(
                    "message_delta",
                    $$""" "delta":{"stop_reason":"{{reason ?? "end_turn"}}","stop_sequence":null},"usage":{"output_tokens":5} """
                )
                + Event("message_stop");

    /// <summary>The body of a refusal.</summary>
    public static string Error(string kind, string type, string message) =>
        kind == OpenAi
            ? $$"""{"error":{"message":"{{message}}","type":"{{type}}","param":null,"code":null} }"""
            : $$"""{"type":"error","error":{"type":"{{type}}","message":"{{message}}"},"request_id":"req_1"}""";

    /// <summary>An error that comes where the next piece should.</summary>
    public static string ErrorEvent(string kind, string type) =>
        (kind == OpenAi ? "" : "event: error\n") + $"data: {Error(kind, type, "do not repeat this")}\n\n";

    /// <summary>An event of Anthropic's.</summary>
    public static string Event(string type, string members = "") =>
        $"event: {type}\ndata: {{\"type\":\"{type}\"{(members.Length == 0 ? "" : "," + members.Trim())}}}\n\n";

    public static string AnthropicBeginning =>
        Event(
            "message_start",
            """ "message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"m-2026","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":6,"cache_read_input_tokens":4,"cache_creation_input_tokens":2,"output_tokens":1}} """
        ) + Event("content_block_start", """ "index":0,"content_block":{"type":"text","text":""} """);

    private static string Chunk(string choice) =>
        $$"""data: {"id":"c1","object":"chat.completion.chunk","model":"m-2026","choices":[{{choice}}]}""" + "\n\n";
}
