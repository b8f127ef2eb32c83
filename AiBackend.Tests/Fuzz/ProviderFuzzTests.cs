using System.Text;
using System.Text.Json;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Anthropic;
using AiBackend.Core.Providers.Embeddings;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Providers.OpenAi;
using AiBackend.Core.Providers.Wire;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Providers;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.AI;
using static AiBackend.Tests.Providers.Wire;

namespace AiBackend.Tests.Fuzz;

/// <summary>Whatever a provider sends, its call ends: as an answer that can be stored, or as a failure with a name.</summary>
public sealed class ProviderFuzzTests
{
    private const int Calls = 40;

    private const string Tools = """
        data: {"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"f","arguments":"{\"a\""}}]}}]}

        data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]},"finish_reason":"tool_calls"}]}

        data: [DONE]


        """;

    private static readonly string AnthropicTools =
        AnthropicBeginning
        + Event("content_block_start", """ "index":1,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}} """)
        + Event("content_block_delta", """ "index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"} """)
        + End(Wire.Anthropic, "tool_use");

    private static readonly Dictionary<string, (string[] Good, Func<byte[], bool> Parse)> Parsers = new(StringComparer.Ordinal)
    {
        ["events of OpenAI's"] = (
            [Answer(Wire.OpenAi, "Hello ä ", "\ud83d\ude00"), Tools, ErrorEvent(Wire.OpenAi, "rate_limit_exceeded")],
            events => IsWhole(events, new ChatChunk())
        ),
        ["events of Anthropic's"] = (
            [Answer(Wire.Anthropic, "Hello ä ", "\ud83d\ude00"), AnthropicTools, ErrorEvent(Wire.Anthropic, "overloaded_error")],
            events => IsWhole(events, new MessageEvent())
        ),
        ["embeddings"] = (
            [
                """{"object":"list","data":[{"index":1,"embedding":[0.5,1e-3]},{"index":0,"embedding":[1,-2]}],"model":"m","usage":{"prompt_tokens":7}}""",
                """{"data":[{"embedding":"AACAPwAAAEA="},{"embedding":"AACAPwAAAEA="}],"system_fingerprint":"simulated"}""",
            ],
            IsOfTwo
        ),
        ["refusal"] = (
            [
                """{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}""",
                """{"type":"error","error":{"type":"overloaded_error","message":"prompt is too long"},"request_id":"r"}""",
            ],
            body =>
            {
                var error = ProviderErrorBody.Parse(body);
                Assert.InRange(error.Status, 400, 599);
                return error.Word is not null;
            }
        ),
        ["limits"] = (
            ["100|5|6m0.5s", "100|0|2030-01-31T12:00:00Z", "100|0|12"],
            header =>
            {
                var parts = Encoding.UTF8.GetString(header).Split('|', 3);
                var scarce = LimitHeaders.Read(name =>
                    name == "date" ? "Thu, 31 Jan 2030 11:59:50 GMT"
                    : name.Contains("remaining", StringComparison.Ordinal) ? parts.ElementAtOrDefault(1)
                    : name.Contains("reset", StringComparison.Ordinal) ? parts.ElementAtOrDefault(2)
                    : parts[0]
                );
                Assert.True(scarce?.After is null || scarce.Value.After <= TimeSpan.FromMinutes(1), "nobody waits longer than a window");
                return scarce is not null;
            }
        ),
    };

    public static TheoryData<string> Names => [.. Parsers.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void What_the_bytes_are_made_of_is_taken(string parser) =>
        Assert.All(Parsers[parser].Good, good => Assert.True(Parsers[parser].Parse(Encoding.UTF8.GetBytes(good)), good));

    [Theory]
    [MemberData(nameof(Names))]
    public void A_85_no_bytes_of_a_provider_surprise_a_reader(string parser) =>
        FuzzRun.Check(parser, InputsOf(parser), Parsers[parser].Parse);

    [Theory]
    [MemberData(nameof(Names))]
    [Trait("Category", "Long")]
    public void A_85_no_bytes_of_a_provider_surprise_a_reader_for_long(string parser) =>
        FuzzRun.CheckForLong(parser, InputsOf(parser), Parsers[parser].Parse, Parsers.Count);

    [Theory]
    [MemberData(nameof(Wire.Kinds), MemberType = typeof(Wire))]
    public async Task A_85_every_call_of_a_hostile_provider_ends_with_an_answer_or_a_failure_that_has_a_name(string kind)
    {
        var name = kind == Wire.OpenAi ? "events of OpenAI's" : "events of Anthropic's";
        var replies = Parsers[name]
            .Good.Select(events => RawReply.Stream(events).Packets)
            .Select(packets => packets.SelectMany(packet => packet).ToArray())
            .ToList();
        // Also in its head: the length, the status, the end of lines.
        var inputs = Mutations.Of(
            replies,
            [Bytes("\r\n\r\n"), Bytes("Content-Encoding: gzip\r\n"), Bytes("Transfer-Encoding: chunked\r\n")]
        );

        foreach (var bytes in inputs.Sample(Calls))
        {
            await using var provider = new RawProvider(new([bytes]));
            using var providers = ProviderHost.OfKind(kind, provider.Address);
            var options = new ChatOptions { Tools = [new DeclaredTool("f", null, null, null)] };

            var seen = new List<ChatProgress>();
            var failure = await Record.ExceptionAsync(async () =>
                seen = await providers.StreamAsync(options: options).ReadAllAsync().WaitAsync(TimeSpan.FromMinutes(1), TestRun.Cancel)
            );

            var shown = Convert.ToBase64String(bytes);
            if (failure is null)
            {
                Assert.True(seen[^1] is ChatProgress.Finished, shown);
                AssertStorable(seen.Text(), shown);
            }
            else
            {
                var known = ProviderFailures.Classify(failure);
                Assert.False(known is ProviderFailure.Unknown || failure is TimeoutException, $"{known} for {shown}: {failure}");
            }
        }
    }

    [Fact]
    public void A_85_the_names_of_calls_that_never_end_are_cut_before_they_fill_the_memory()
    {
        var piece = Bytes(
            $$$"""{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"{{{new string('n', 64 * 1024)}}}"}}]}}]}"""
        );
        var block = Bytes(
            $$$"""{"type":"content_block_start","content_block":{"type":"tool_use","id":"{{{new string('i', 64 * 1024)}}}","name":"f"}}"""
        );

        Assert.Throws<JsonException>(() => Repeat(new ChatChunk(), piece));
        Assert.Throws<JsonException>(() => Repeat(new MessageEvent(), block));

        static void Repeat(WireEvent said, byte[] data)
        {
            for (var times = 0; times < 64; times++)
            {
                said.Read(data);
            }
        }
    }

    private static Gen<byte[]> InputsOf(string parser)
    {
        var good = Parsers[parser].Good.Select(Encoding.UTF8.GetBytes).ToList();
        byte[][] more =
        [
            Bytes("\n\ndata: "),
            Bytes("data: [DONE]\n\n"),
            Bytes("event: error\n"),
            Bytes("\"index\":-1,"),
            Bytes("\"delta\":null,"),
            Bytes("\"usage\":{\"prompt_tokens\":-5},"),
            Bytes("\"model\":\"\\u0000\\udc00\","),
            Bytes("\"embedding\":"),
            Bytes("1e39"),
            Bytes("NaN"),
        ];
        return Gen.Frequency((9, Mutations.Of([.. good, .. SavedInputs.Of(parser)], more)), (1, Mutations.Any));
    }

    /// <summary>Reads events as a call does.</summary>
    private static bool IsWhole(byte[] bytes, WireEvent said)
    {
        using var stream = new MemoryStream(bytes);
        using var events = new SseReader(stream);
        try
        {
            // From memory it completes at once, so nothing blocks.
            while (!said.IsEnd && events.ReadAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult())
            {
                said.Read(events.Data);
                AssertStorable(said.Text, said.Text);
                if (said.Error is not null)
                {
                    return true;
                }
            }
        }
        catch (JsonException)
        {
            return false;
        }

        foreach (var call in said.ToolCalls.ToContents(isCut: false).Cast<FunctionCallContent>())
        {
            AssertStorable(call.CallId + call.Name, call.Name);
        }

        AssertStorable(said.FinishReason + said.ModelVersion + said.TakeRest(), "a name");
        return said.IsEnd;
    }

    private static bool IsOfTwo(byte[] body)
    {
        try
        {
            var read = EmbeddingBody.Read(body, 2);
            Assert.Equal(2, read.Vectors.Count);
            AssertStorable(read.ModelVersion ?? "", "the model");
            return true;
        }
        // As the client does.
        catch (Exception wrong) when (wrong is JsonException or FormatException or InvalidOperationException)
        {
            return false;
        }
    }

    private static void AssertStorable(string text, string shown)
    {
        Assert.False(text.Contains('\0', StringComparison.Ordinal), $"U+0000 in {shown}");
        // Throws for half of a surrogate pair.
        Assert.True(Encoding.UTF8.GetByteCount(text) == new UTF8Encoding(false, throwOnInvalidBytes: true).GetByteCount(text), shown);
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
