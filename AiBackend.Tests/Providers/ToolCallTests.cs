using System.Text.Json;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Providers.Wire;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.AI;
using static AiBackend.Tests.Providers.Wire;

namespace AiBackend.Tests.Providers;

/// <summary>Tools and forms of answers in both protocols: how they are asked for, and what a model's calls come out as.</summary>
public sealed class ToolCallTests
{
    private static readonly JsonElement Schema = JsonElement.Parse("""{"type":"object","properties":{"city":{"type":"string"}}}""");

    [Theory]
    [MemberData(nameof(Wire.Kinds), MemberType = typeof(Wire))]
    public async Task Calls_that_come_in_pieces_are_whole_and_stand_behind_the_text(string kind)
    {
        var stream = kind == OpenAi ? OpenAiCalls : AnthropicCalls;

        await using var provider = new RawProvider(RawReply.Stream(stream));
        using var providers = ProviderHost.OfKind(kind, provider.Address);

        var progress = await providers.Chat.StreamAsync("default", ProviderHost.Question, Options(), TestRun.Cancel).ReadAllAsync();

        Assert.Equal(
            [("call_1", "weather", """{"city":"Zürich \"ZH\""}"""), ("call_2", "time", "{}")],
            progress.OfType<ChatProgress.ToolAsked>().Select(call => (call.Id, call.Name, call.Arguments))
        );
        Assert.Equal("tool_calls", progress.OfType<ChatProgress.Finished>().Single().FinishReason);
        Assert.Equal("Let me see.", string.Concat(progress.OfType<ChatProgress.Text>().Select(text => text.Delta)));
        Assert.True(progress.FindLastIndex(each => each is ChatProgress.Text) < progress.FindIndex(each => each is ChatProgress.ToolAsked));
    }

    [Theory]
    [InlineData("\"weather\"", "\"send_email\"", "a tool that it was not offered")]
    [InlineData("\"call_2\"", "\"call_1\"", "two calls of tools with one id")]
    public async Task A_55_calls_of_tools_that_were_not_offered_or_share_an_id_are_the_providers_error(
        string good,
        string bad,
        string fault
    )
    {
        await using var provider = new RawProvider(RawReply.Stream(OpenAiCalls.Replace(good, bad, StringComparison.Ordinal)));
        using var providers = ProviderHost.OfKind(OpenAi, provider.Address);
        var progress = new List<ChatProgress>();

        var failure = await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await foreach (var each in providers.Chat.StreamAsync("default", ProviderHost.Question, Options(), TestRun.Cancel))
            {
                progress.Add(each);
            }
        });

        var known = Assert.IsType<ProviderFailure.Transient>(ProviderFailures.Classify(failure));
        Assert.Contains(fault, known.Message, StringComparison.Ordinal);
        // Whoever writes into a prompt may bring it about: it is no outage.
        Assert.True(known.IsAnswered);
        Assert.DoesNotContain(progress, each => each is ChatProgress.ToolAsked);
    }

    [Fact]
    public async Task A_call_that_was_cut_off_by_the_length_is_no_call()
    {
        var cut = OpenAiCalls
            .Replace("\\\"}", "", StringComparison.Ordinal)
            .Replace("\"tool_calls\"}", "\"length\"}", StringComparison.Ordinal);
        await using var provider = new RawProvider(RawReply.Stream(cut));
        using var providers = ProviderHost.OfKind(OpenAi, provider.Address);

        var progress = await providers.Chat.StreamAsync("default", ProviderHost.Question, Options(), TestRun.Cancel).ReadAllAsync();

        Assert.Equal(["time"], progress.OfType<ChatProgress.ToolAsked>().Select(call => call.Name));
        Assert.Equal("length", progress.OfType<ChatProgress.Finished>().Single().FinishReason);
    }

    [Fact]
    public async Task OpenAIs_protocol_has_every_part_of_the_question()
    {
        await using var provider = new RawProvider(RawReply.Stream(Answer(OpenAi, "x")));
        using var providers = ProviderHost.OfKind(OpenAi, provider.Address);

        await providers.Chat.StreamAsync("default", Conversation, Options(), TestRun.Cancel).ReadAllAsync();

        var body = Assert.Single(provider.Requests).Json;
        Assert.Equal(
            """[{"role":"system","content":"Be brief."},{"role":"user","content":"Weather?"},{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Bern\"}"}},{"id":"b","type":"function","function":{"name":"time","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"Rain."},{"role":"tool","tool_call_id":"b","content":"Noon."}]""",
            Compact(body.GetProperty("messages"))
        );
        Assert.Equal(
            """[{"type":"function","function":{"name":"weather","description":"Tells it.","parameters":{"type":"object","properties":{"city":{"type":"string"}}},"strict":true}},{"type":"function","function":{"name":"time","parameters":{"type":"object","properties":{}}}}]""",
            Compact(body.GetProperty("tools"))
        );
        Assert.Equal("""{"type":"function","function":{"name":"weather"}}""", Compact(body.GetProperty("tool_choice")));
        Assert.False(body.GetProperty("parallel_tool_calls").GetBoolean());
        Assert.Equal(
            """{"type":"json_schema","json_schema":{"name":"place","schema":{"type":"object","properties":{"city":{"type":"string"}}},"strict":true}}""",
            Compact(body.GetProperty("response_format"))
        );
        Assert.Equal(0.5, body.GetProperty("top_p").GetDouble());
        Assert.Equal(7, body.GetProperty("seed").GetInt64());
        Assert.Equal("""["END"]""", Compact(body.GetProperty("stop")));
        Assert.Equal("low", body.GetProperty("reasoning_effort").GetString());
    }

    [Fact]
    public async Task Anthropics_protocol_has_the_same_in_its_own_words_and_what_it_lacks_is_told()
    {
        await using var provider = new RawProvider(RawReply.Stream(Answer(Wire.Anthropic, "x")));
        using var providers = ProviderHost.OfKind(Wire.Anthropic, provider.Address);

        var progress = await providers.Chat.StreamAsync("default", Conversation, Options(), TestRun.Cancel).ReadAllAsync();

        var body = Assert.Single(provider.Requests).Json;
        Assert.True(body.GetProperty("stream").GetBoolean());
        Assert.Equal("Be brief.", body.GetProperty("system").GetString());
        Assert.Equal(
            """[{"role":"user","content":"Weather?"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"weather","input":{"city":"Bern"}},{"type":"tool_use","id":"b","name":"time","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"Rain."},{"type":"tool_result","tool_use_id":"b","content":"Noon."}]}]""",
            Compact(body.GetProperty("messages"))
        );
        Assert.Equal(
            """[{"name":"weather","description":"Tells it.","input_schema":{"type":"object","properties":{"city":{"type":"string"}}},"strict":true},{"name":"time","input_schema":{"type":"object","properties":{}}}]""",
            Compact(body.GetProperty("tools"))
        );
        Assert.Equal("""{"type":"tool","name":"weather","disable_parallel_tool_use":true}""", Compact(body.GetProperty("tool_choice")));
        Assert.Equal(
            """{"format":{"type":"json_schema","schema":{"type":"object","properties":{"city":{"type":"string"}}}}}""",
            Compact(body.GetProperty("output_config"))
        );
        Assert.Equal("""["END"]""", Compact(body.GetProperty("stop_sequences")));
        Assert.Equal("top_p, seed, reasoning_effort", progress.OfType<ChatProgress.CallStarted>().Single().LeftOut);
    }

    private static IReadOnlyList<ChatMessage> Conversation =>
        [
            new(new ChatRole("developer"), "Be brief."),
            new(ChatRole.User, "Weather?"),
            new(ChatRole.Assistant, [AskedTool.Of("a", "weather", """{"city":"Bern"}"""), AskedTool.Of("b", "time", "{}")]),
            new(ChatRole.Tool, [new FunctionResultContent("a", "Rain.")]),
            new(ChatRole.Tool, [new FunctionResultContent("b", "Noon.")]),
        ];

    private static ChatOptions Options() =>
        new()
        {
            Tools = [new DeclaredTool("weather", "Tells it.", Schema, strict: true), new DeclaredTool("time", null, null, null)],
            ToolMode = ChatToolMode.RequireSpecific("weather"),
            AllowMultipleToolCalls = false,
            ResponseFormat = ChatResponseFormat.ForJsonSchema(Schema, "place"),
            TopP = 0.5f,
            Seed = 7,
            StopSequences = ["END"],
            AdditionalProperties = new() { [CallOptions.ReasoningEffort] = "low", [CallOptions.StrictSchema] = true },
        };

    private static readonly JsonSerializerOptions Readable = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static string Compact(JsonElement element) => JsonSerializer.Serialize(element, Readable);

    private const string OpenAiCalls = """
        data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"Let me see."}}],"model":"m-2026"}

        data: {"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"","name":"weather"},"id":"call_1","index":0,"type":"function"}]}}]}

        data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":\"Zür"}}]}}]}

        data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"time","arguments":""}}]}}]}

        data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"ich \\\"ZH\\\"\"}"}}]}}]}

        data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

        data: [DONE]


        """;

    private const string AnthropicCalls = """
        data: {"type":"message_start","message":{"model":"m-2026","usage":{"input_tokens":3,"output_tokens":1}}}

        data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Let me see."}}

        data: {"type":"content_block_stop","index":0}

        data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"call_1","name":"weather","input":{}}}

        data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"city\":\"Zür"}}

        data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"ich \\\"ZH\\\"\"}"}}

        data: {"type":"content_block_stop","index":1}

        data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"call_2","name":"time","input":{}}}

        data: {"type":"content_block_stop","index":2}

        data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}

        data: {"type":"message_stop"}


        """;
}
