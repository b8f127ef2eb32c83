using System.Net;
using System.Text;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.OpenAiApi;
using FsCheck.Fluent;

namespace AiBackend.Tests.Fuzz;

/// <summary>A server that has nobody who works, and does not let its callers wait for that.</summary>
public sealed class ImpatientApi(PostgresServer postgres) : ApiServer(postgres)
{
    protected override IEnumerable<(string, string)> Settings => [("OpenAi:LongestWait", "00:00:01")];
}

/// <summary>Bodies that were good once, sent to whatever stores something: it is taken or refused, and never the server's own failure.</summary>
public sealed class WriteBodyFuzzTests(ImpatientApi api) : IClassFixture<ImpatientApi>
{
    private const int Bodies = 80;
    private const int BodiesForLong = 5_000;
    private const int AtOnce = 8;

    private const string Contract =
        """{"schema":{"type":"object","properties":{"a":{"type":"string"}}},"rules":[{"rule":"range","path":"/a","min":1}]}""";

    /// <summary>Where what is sent how; {n} is a number that no other body has, {file} the id of a file.</summary>
    private static readonly Dictionary<string, (string Method, string Path, string Body)> Doors = new(StringComparer.Ordinal)
    {
        ["job"] = (
            "POST",
            "/api/v1/jobs",
            """{"type":"chat","model":"sim","user":"u","feature":"f","metadata":{"a":"b"},"input":{"messages":[{"role":"user","content":"Hi ä"}]}}"""
        ),
        ["prompt"] = (
            "POST",
            "/api/v1/prompts",
            $$$$"""{"name":"fuzz-{n}","description":"d","note":"n","template":{"messages":[{"role":"user","content":"Read {{a}} {{c}}"}],"variables":{"a":{"type":"string","default":"b","max_length":50},"c":{"type":"enum","values":["x","y"]}},"model":"sim","parameters":{"temperature":0.5,"stop":["x"]},"contract":{{{{Contract}}}} }}"""
        ),
        ["tool"] = (
            "PUT",
            "/api/v1/tools/fuzz",
            """{"kind":"http","effect":"write","url":"https://tools.example.com/a","verify_url":"https://tools.example.com/b","description":"d","parameters":{"type":"object","properties":{"a":{"type":"string","pattern":"^a+$"}}},"timeout_seconds":5,"max_result_bytes":1000,"header":{"name":"X-Key","value":"v"},"keys":["a"],"needs_approval":true}"""
        ),
        ["route"] = (
            "PUT",
            "/api/v1/routes/fuzz",
            $$$"""{"description":"d","order":"listed","targets":[{"provider":"simulator","model":"sim","when":{"input_tokens_above":5,"priorities":["batch"],"seconds_left_below":0.5}},{"provider":"simulator","model":"sim-b"}],"stronger":"sim","contract":{{{Contract}}} }"""
        ),
        ["deployment"] = (
            "PUT",
            "/api/v1/deployments/simulator/sim-fuzz",
            """{"limits":{"requests_per_minute":60,"tokens_per_minute":1000},"timeouts":{"first_token_seconds":2.5,"total_seconds":60},"context_tokens":8000,"capabilities":["tools"]}"""
        ),
        ["price"] = (
            "PUT",
            "/api/v1/prices/simulator/sim-fuzz",
            """{"input_per_million":0.15,"cached_input_per_million":0.015,"output_per_million":0.6,"valid_from":"2999-01-01T00:00:00Z"}"""
        ),
        ["key"] = (
            "POST",
            "/api/v1/keys",
            """{"name":"k","scopes":["jobs:read"],"expires_in_days":5,"test":true,"highest_priority":"batch","allowed_models":["sim*"],"allowed_networks":["10.0.0.0/8","::1"],"limits":{"requests_per_minute":5,"tokens_per_minute":10,"max_queued":3}}"""
        ),
        ["budget"] = (
            "POST",
            "/api/v1/budgets",
            """{"scope":"user","subject":"u{n}","window":"day","limit_usd":2.5,"hard":false,"thresholds":[50,80]}"""
        ),
        ["webhook"] = (
            "POST",
            "/api/v1/webhooks",
            """{"url":"https://hooks.example.com/x","events":["job.completed"],"description":"d"}"""
        ),
        ["source of webhooks"] = (
            "POST",
            "/api/v1/webhooks/inbound",
            """{"name":"n{n}","template":{"model":"sim","prompt":"Read {{a.b}}"}}"""
        ),
        ["conversation"] = ("POST", "/api/v1/conversations", """{"title":"t","user":"u","metadata":{"a":"b"}}"""),
        ["knowledge"] = (
            "PUT",
            "/api/v1/knowledge/fuzz/documents",
            """{"source":"s","title":"t","text":"Some text ä.","language":"german","readers":["r"]}"""
        ),
        ["workflow"] = (
            "PUT",
            "/api/v1/workflows/fuzz",
            """{"input":{"type":"object"},"steps":[{"name":"a","type":"chat","messages":[{"role":"user","content":"Read {{input.x}}"}]},{"name":"b","type":"transform","value":"{{steps.a}}"}],"output":{"c":"{{steps.b}}"}}"""
        ),
        ["completion"] = (
            "POST",
            "/v1/chat/completions",
            """{"model":"default","stream":true,"messages":[{"role":"user","content":"Hi"}],"metadata":{"a":"b"},"max_tokens":5,"stop":["x"]}"""
        ),
        ["response"] = (
            "POST",
            "/v1/responses",
            """{"model":"sim","background":true,"input":[{"role":"user","content":[{"type":"input_text","text":"t"}]}],"instructions":"i","metadata":{"a":"b"}}"""
        ),
        ["batch"] = (
            "POST",
            "/v1/batches",
            """{"input_file_id":"{file}","endpoint":"/v1/chat/completions","completion_window":"24h","metadata":{"a":"b"}}"""
        ),
    };

    public static TheoryData<string> Names => [.. Doors.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public Task A_85_no_body_makes_the_server_fail(string door) => SendAsync(door, Bodies);

    [Theory]
    [MemberData(nameof(Names))]
    [Trait("Category", "Long")]
    public Task A_85_no_body_makes_the_server_fail_for_long(string door) => SendAsync(door, BodiesForLong);

    private async Task SendAsync(string door, int bodies)
    {
        var (method, path, body) = Doors[door];
        var good = body.Replace("{file}", door is "batch" ? await UploadAsync() : "", StringComparison.Ordinal);
        var numbered = Enumerable
            .Range(0, bodies)
            .Select(n => Encoding.UTF8.GetBytes(good.Replace("{n}", $"{n}", StringComparison.Ordinal)))
            .ToList();
        byte[][] more = [Bytes("\"\\u0000\""), Bytes("\\udc00"), Bytes("-1"), Bytes("1e-300"), Bytes("\"\""), Bytes("[null]"), Bytes("{}")];
        // As it is, too: a body that is refused whatever it says would find nothing.
        var first = await AnswerAsync(method, path, numbered[0]);
        Assert.True(first.Status < HttpStatusCode.BadRequest, $"{door}: {first}");

        foreach (var saved in SavedInputs.Of(door))
        {
            await AnswerAsync(method, path, saved);
        }

        await Parallel.ForEachAsync(
            Mutations.Of([.. numbered, .. SavedInputs.Of(door)], more).Sample(bodies),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = TestRun.Cancel },
            async (bytes, _) => await AnswerAsync(method, path, bytes)
        );
    }

    /// <summary>Sends it and looks at what every answer promises.</summary>
    private async Task<(HttpStatusCode Status, string Text)> AnswerAsync(string method, string path, byte[] body)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new("application/json");
        using var response = await api.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
        // A stream has begun, and ends with its job: nobody runs that here.
        var text = response.Content.Headers.ContentType?.MediaType is "text/event-stream"
            ? ""
            : await response.Content.ReadAsStringAsync(TestRun.Cancel);
        var shown = $"{response.StatusCode} {text} for {Convert.ToBase64String(body)}";
        // Nor is anybody kept out for what he sent: that would hide what comes behind.
        Assert.True(
            response.StatusCode is < HttpStatusCode.InternalServerError and not HttpStatusCode.TooManyRequests
                || text.Contains("\"wait_too_long\"", StringComparison.Ordinal),
            shown
        );
        if (response.StatusCode >= HttpStatusCode.BadRequest)
        {
            _ = path.StartsWith("/v1/", StringComparison.Ordinal)
                ? OpenAiClientOf.ErrorOf(text).GetRawText()
                : (await ApiServer.ReadProblemAsync(response)).Code;
        }

        return (response.StatusCode, text);
    }

    private async Task<string> UploadAsync()
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("batch"), "purpose" },
            { new StringContent("""{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}"""), "file", "a.jsonl" },
        };
        using var uploaded = await api.Http.PostAsync("/v1/files", form, TestRun.Cancel);
        return (await OpenAiClientOf.ReadAsync(uploaded)).GetProperty("id").GetString()!;
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
