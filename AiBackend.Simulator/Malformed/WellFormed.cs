using System.Text.Json;

namespace AiBackend.Simulator.Malformed;

/// <summary>The correct stream from which every case departs.</summary>
internal static class WellFormed
{
    public const string Done = "[DONE]";

    private static readonly string[] Tokens = ["This is a simulated answer.", " Grüße,", " 世界", " 🎉!"];

    /// <summary>What a client must have at the end of every legal case. Letters of two, three and four bytes.</summary>
    public static string Text => string.Concat(Tokens);

    public static string Role => Chunk("""{"role":"assistant","content":""}""");

    public static IEnumerable<string> Deltas => Tokens.Select(token => Chunk($$"""{"content":"{{token}}"}"""));

    public static string Finish => Chunk("{}", "\"stop\"");

    public static string Usage => Envelope("""[],"usage":{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11}""");

    /// <summary>The events' data, in order, without the final <c>[DONE]</c>.</summary>
    public static IEnumerable<string> Data => [Role, .. Deltas, Finish, Usage];

    public static string Chunk(string delta, string finishReason = "null") =>
        Envelope($$"""[{"index":0,"delta":{{delta}},"logprobs":null,"finish_reason":{{finishReason}}}]""");

    public static string Envelope(string choices) =>
        $$"""{"id":"chatcmpl-sim","object":"chat.completion.chunk","created":1,"model":"sim","system_fingerprint":"simulated","choices":{{choices}}}""";

    /// <summary>Events in the usual form, one <c>data</c> line each.</summary>
    public static string Stream(IEnumerable<string> data) => string.Concat(data.Select(each => $"data: {each}\n\n"));

    public static string Pretty(string json) => JsonSerializer.Serialize(JsonSerializer.Deserialize<JsonElement>(json), Indented);

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };
}
