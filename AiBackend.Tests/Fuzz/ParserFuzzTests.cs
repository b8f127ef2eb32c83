using System.Text;
using System.Text.Json;
using AiBackend.Api.Controls;
using AiBackend.Api.DeadLetters;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Batches;
using AiBackend.Api.OpenAi.Embeddings;
using AiBackend.Api.OpenAi.Reading;
using AiBackend.Api.Workflows;
using AiBackend.ApiContracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers.Wire;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools.Code;
using AiBackend.Core.Webhooks;
using AiBackend.Core.Webhooks.Inbound;
using AiBackend.Core.Workflows;
using AiBackend.Tests.Contracts;
using AiBackend.Web.Answers;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Fuzz;

/// <summary>Whatever a caller sends, a parser says what it is or why it is refused: no exception, no hang, no memory without end.</summary>
/// <remarks>The diagnosis of bodies has tests of its own beside it.</remarks>
public sealed class ParserFuzzTests
{
    private static readonly Caller Somebody = new(Guid.Empty, "k", ["*"], "standard", null);
    private static readonly WebhookSecret[] Secrets = [WebhookSecret.TryParse("whsec_QWlCYWNrZW5kIHRlc3Qgc2VjcmV0LCAzMiBieXRlcyE=")!];
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
    private static readonly JsonElement Message = JsonDocument.Parse("""{"a":{"b":[1,"x"]},"c":null}""").RootElement;

    private static readonly Dictionary<string, (string[] Good, Func<byte[], bool> Parse)> Parsers = new(StringComparer.Ordinal)
    {
        ["job"] = (
            [
                """{"type":"chat","model":"m","priority":"batch","max_attempts":3,"max_cost_usd":0.05,"metadata":{"a":"b"},"input":{"messages":[{"role":"user","content":"Hi ä \ud83d\ude00"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}}""",
            ],
            body =>
                JobRequestJson.TryRead(body, out var request) is null
                && JobInputs.TryRead(AiBackend.Core.Jobs.JobType.Chat, body, request.Input, new(), out _) is null
        ),
        ["chat completion"] = (
            [
                """{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"t"}]},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"stream":true,"stream_options":{"include_usage":true},"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}},"max_completion_tokens":5,"metadata":{"a":"b"}}""",
            ],
            body => ChatCompletionReader.TryRead(body, new SentFiles(Guid.Empty), out _) is null
        ),
        ["response"] = (
            [
                """{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"t"}]},{"type":"function_call_output","call_id":"c","output":"r"}],"background":true,"stream":true,"tools":[{"type":"function","name":"f","parameters":{"type":"object"}}],"text":{"format":{"type":"json_object"}},"previous_response_id":"resp_0196f0a0000070008000000000000000","reasoning":{"effort":"low"}}""",
                """{"model":"m","input":"Hello"}""",
            ],
            body => ResponseReader.TryRead(body, new SentFiles(Guid.Empty), out _) is null
        ),
        ["embeddings"] = (
            ["""{"model":"m","input":["a","b ä"],"encoding_format":"base64","dimensions":3,"user":"u"}""", """{"model":"m","input":"a"}"""],
            body => EmbeddingReader.TryRead(body, out _) is null
        ),
        ["batch"] = (
            [
                """{"input_file_id":"file-0196f0a0000070008000000000000000","endpoint":"/v1/chat/completions","completion_window":"24h","metadata":{"a":"b"}}""",
            ],
            body => BatchReader.TryRead(body, out _) is null
        ),
        ["line of a batch"] = (
            [
                """{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[{"role":"user","content":"Hi"}]}}""",
            ],
            line => LineShape.Check(line, 1, "/v1/chat/completions", out _) is null && LineShape.BodyOf(line).Length > 0
        ),
        ["contract"] = (
            [
                """{"schema":{"type":"object","properties":{"a":{"type":"string","pattern":"^x+$"}},"required":["a"]},"rules":[{"rule":"range","path":"/a","min":1}],"on_violation":"review"}""",
            ],
            body =>
            {
                if (StrictBody.TryRead(body, WireJson.Default.OutputContract, null, out var contract) is not null)
                {
                    return false;
                }

                var isWhole = true;
                Contract.Checker.Refuse(contract, (_, _) => isWhole = false);
                return isWhole && Contract.Checker.Check(contract, """{"a":"xx"}""", "stop", "") is not null;
            }
        ),
        ["workflow"] = (
            [
                """{"input":{"type":"object"},"steps":[{"name":"a","type":"chat","messages":[{"role":"user","content":"Read {{input.x}}"}]},{"name":"b","type":"map","over":"{{steps.a}}","step":{"type":"tool","tool":"t","arguments":{"q":"{{item}}"}}},{"name":"c","type":"transform","value":"{{steps.b}}","when":{"value":"{{input.y}}","equal":1}}],"output":{"c":"{{steps.c}}"}}""",
            ],
            body =>
            {
                if (StrictBody.TryRead(body, WireJson.Default.WorkflowDefinition, null, out var definition) is not null)
                {
                    return false;
                }

                var isWhole = true;
                new WorkflowBounds(Contract.Checker, new CodeTools([])).Check(definition, (_, _) => isWhole = false);
                return isWhole && StepRules.Check(definition) is null;
            }
        ),
        ["bulk action"] = (
            ["""{"ids":["0196f0a0-0000-7000-8000-000000000000"],"dry_run":true}""", """{"filter":{"code":"poison","model":"m"}}"""],
            body => BulkRules.TryReadDiscard(body, Somebody, out _, out _) is null
        ),
        ["control"] = (["""{"kind":"queue","name":"default","reason":"why"}"""], body => ControlRules.TryRead(body, out _, out _) is null),
        ["job list"] = (
            ["?status=queued&status=-failed&type=chat&feature=f&created_after=2030-01-31T12:00:00Z&limit=5"],
            query => JobListQuery.TryRead(Get(query), out _) is null
        ),
        ["dead-letter list"] = (
            ["?class=unknown&code=poison&model=m&since=2030-01-31T12:00:00Z&limit=5"],
            query => DeadLetterQuery.TryRead(Get(query), null, out _) is null
        ),
        ["resume point"] = (["?after=12"], query => ResumePoint.TryRead(Get(query), out _) is null),
        ["idempotency key"] = (["order-1", "\"or\\\"der\""], key => IdempotencyKey.TryRead(Text(key), out _) is null),
        ["API key"] = ([ApiKey.Create(live: true).Text], key => ApiKey.TryParse(Text(key)) is not null),
        ["webhook signature"] = (
            ["msg_1|1800000000|v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= v1a,abc"],
            headers =>
            {
                var parts = Text(headers).Split('|', 3);
                var (id, time, signatures) = (parts[0], parts.ElementAtOrDefault(1), parts.ElementAtOrDefault(2));
                var isWhole = WebhookSignature.Fault(id, time, signatures, Now) is null;
                Assert.False(isWhole && WebhookSignature.IsValid(id, time!, signatures!, headers, Secrets));
                return isWhole;
            }
        ),
        ["webhook secret"] = (
            ["whsec_QWlCYWNrZW5kIHRlc3Qgc2VjcmV0LCAzMiBieXRlcyE="],
            secret => WebhookSecret.TryParse(Text(secret)) is not null
        ),
        ["Markdown"] = (
            [
                "# A\n\n- one\n  1. two\n\n| a | b |\n|---|--:|\n| `1` | [x](https://example.com/a) |\n\n```cs\nx < y\n```\n\n<b>~~old~~</b> **new** ![i](i.png)\n\n[r]: mailto:a@b",
            ],
            answer => (SafeMarkdown.TryRender(Text(answer)) ?? []).Count > 0
        ),
        ["event stream"] = (
            [": hi\n\nid: 1\nevent: delta\ndata: {\"a\":1}\ndata: more\n\ndata: b\r\n\r\n"],
            bytes =>
            {
                using var reader = new SseReader(new MemoryStream(bytes));
                var events = 0;
                // It completes at once, so nothing blocks.
                while (reader.ReadAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult())
                {
                    events++;
                }

                return events > 0;
            }
        ),
        ["prompt template"] = (
            ["Summarise {{a.b}} and {{ c }}, {{a.b.1}}"],
            template =>
            {
                var isWhole = PromptTemplate.Fault(Text(template)) is null;
                return isWhole && PromptTemplate.Fill(Text(template), Message) is not null;
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
    public void A_85_no_bytes_surprise_a_parser(string parser) => FuzzRun.Check(parser, InputsOf(parser), Parsers[parser].Parse);

    [Theory]
    [MemberData(nameof(Names))]
    [Trait("Category", "Long")]
    public void A_85_no_bytes_surprise_a_parser_for_long(string parser) =>
        FuzzRun.CheckForLong(parser, InputsOf(parser), Parsers[parser].Parse, Parsers.Count);

    [Fact]
    public void Every_saved_input_is_of_something_that_is_fuzzed_and_is_small()
    {
        var known = Names
            .Concat(GivenTextFuzzTests.Names)
            .Concat(ProviderFuzzTests.Names)
            .Concat(WriteBodyFuzzTests.Names)
            .Select(name => name.Data)
            .Concat(UploadFuzzTests.Doors.Select(door => door.Data.Item1));

        Assert.NotEmpty(SavedInputs.Names);
        Assert.Empty(SavedInputs.Names.Except(known, StringComparer.Ordinal));
        Assert.All(SavedInputs.Names.SelectMany(SavedInputs.Of), saved => Assert.InRange(saved.Length, 1, 2048));
    }

    private static Gen<byte[]> InputsOf(string parser) =>
        Gen.Frequency(
            (9, Mutations.Of([.. Parsers[parser].Good.Select(Encoding.UTF8.GetBytes), .. SavedInputs.Of(parser)], [])),
            (1, Mutations.Any)
        );

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes);

    private static HttpRequest Get(byte[] query)
    {
        var context = new DefaultHttpContext();
        // Kestrel gives the query as it came, and it begins with a question mark.
        context.Request.QueryString = new QueryString("?" + Text(query).TrimStart('?'));
        return context.Request;
    }
}
