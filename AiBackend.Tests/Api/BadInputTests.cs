using System.Diagnostics;
using System.Net;
using System.Text;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>Every way to get a submit wrong has its own problem, with the value and the remedy.</summary>
public sealed class BadInputTests(ApiServer api) : IClassFixture<ApiServer>
{
    public static TheoryData<string, string, string> Bodies =>
        new()
        {
            // body, problem, what the detail must name
            { """{"type":"telepathy","input":{}}""", "unknown-type", "\"telepathy\"" },
            { """{"input":{"messages":[{"role":"user","content":"x"}]}}""", "unknown-type", "missing" },
            { """{"type":"noop"}""", "unknown-type", "\"noop\"" },
            { """{"type":"chat","inptu":{}}""", "unknown-member", "\"inptu\"" },
            { """{"type":"chat","input":{"mesages":[]}}""", "unknown-member", "messages, prompt, max_output_tokens, temperature" },
            {
                """{"type":"chat","input":{"messages":[{"role":"user","content":"x","name":"n"}]}}""",
                "unknown-member",
                "input.messages[0]"
            },
            { """{"Type":"chat"}""", "unknown-member", "\"Type\"" },
            { """{"type":"chat","model":"a","model":"b","input":{}}""", "duplicate-member", "\"model\"" },
            { """{"type":"chat","input":{"messages":[],"messages":[]}}""", "duplicate-member", "input" },
            { """{"type":"chat","metadata":{"a":"1","a":"2"},"input":{}}""", "duplicate-member", "metadata" },
            { """{"type":"chat"}""", "missing-messages", "input.messages" },
            { """{"type":"chat","input":null}""", "missing-messages", "input.messages" },
            { """{"type":"chat","input":{}}""", "missing-messages", "input.messages" },
            { """{"type":"chat","input":{"messages":[]}}""", "missing-messages", "input.messages" },
            { """{"type":"chat","input":{"messages":[{"role":"user","content":""}]}}""", "empty-text", "input.messages[0].content" },
            { """{"type":"chat","input":{"messages":[{"role":"user","content":" \n\t "}]}}""", "empty-text", "input.messages[0]" },
            { """{"type":"chat","input":{"messages":[{"role":"user"}]}}""", "empty-text", "input.messages[0]" },
            { """{"type":"chat","input":{"messages":[{"role":"robot","content":"x"}]}}""", "invalid-value", "\"robot\"" },
            { """{"type":"chat","input":{"messages":[null]}}""", "invalid-value", "input.messages[0] is null" },
            { """{"type":"chat","input":{"messages":"hello"}}""", "invalid-value", "input.messages must be a JSON array" },
            { """{"type":"chat","input":[]}""", "invalid-value", "input must be a JSON object" },
            { """{"type":7}""", "invalid-value", "type must be a string" },
            { Chat("\"temperature\":2.1"), "invalid-value", "input.temperature is 2.1" },
            { Chat("\"temperature\":1e400"), "invalid-value", "input.temperature" },
            { Chat("\"temperature\":\"hot\""), "invalid-value", "input.temperature must be a number" },
            { Chat("\"max_output_tokens\":0"), "invalid-value", "input.max_output_tokens is 0" },
            { Chat("\"max_output_tokens\":2147483648"), "invalid-value", "input.max_output_tokens" },
            { Chat("\"max_output_tokens\":1.5"), "invalid-value", "input.max_output_tokens must be a whole number" },
            { Job("\"max_attempts\":21"), "invalid-value", "max_attempts is 21" },
            { Job("\"priority\":\"urgent\""), "invalid-value", "interactive, standard, batch" },
            { Job("\"priority\":-100"), "invalid-value", "priority must be a string" },
            { Job("\"feature\":\"\""), "invalid-value", "feature is empty" },
            { Job("\"feature\":\"" + new string('f', 65) + "\""), "invalid-value", "feature has 65 characters" },
            { Job("\"user\":\"" + new string('u', 129) + "\""), "invalid-value", "user has 129 characters" },
            { Job("\"deadline\":\"2020-01-01T00:00:00Z\""), "invalid-value", "deadline is 2020-01-01" },
            { Job("\"deadline\":\"tomorrow\""), "invalid-value", "deadline must be a time" },
            { Job("\"not_before\":\"9999-01-01T00:00:00Z\""), "invalid-value", "not_before is 9999" },
            { Job("\"metadata\":{\"a\":null}"), "invalid-value", "metadata.a is null" },
            { Job("\"metadata\":{\"a\":1}"), "invalid-value", "metadata.a must be a string" },
            {
                Job("\"metadata\":{" + string.Join(',', Enumerable.Range(0, 17).Select(i => $"\"{i}\":\"\"")) + "}"),
                "invalid-value",
                "17 pairs"
            },
            { """{"type":"chat","input":{"messages":[{"role":"user","content":"a\u0000b"}]}}""", "invalid-value", "U+0000" },
            { Job("\"metadata\":{\"a\\u0000\":\"\"}"), "invalid-value", "U+0000" },
            { Job("\"model\":\"gpt-none\""), "unknown-model", "\"gpt-none\"" },
            { """{"type":"chat","input":{"messages":[{"role":"user","content":"\ud83d"}]}}""", "invalid-utf8", "half of a surrogate pair" },
            { "", "invalid-json", "empty" },
            { "null", "invalid-value", "The body must be a JSON object" },
            { "[]", "invalid-value", "The body must be a JSON object" },
            { """{"type":"chat",}""", "invalid-json", "line 1, byte 16" },
            { "{\n\"type\": chat}", "invalid-json", "line 2, byte 9" },
            { """{"type":"chat" """, "invalid-json", "ends too early" },
            { """{"type":"chat"} {}""", "invalid-json", "line 1, byte 17" },
            { """{/* hi */"type":"chat"}""", "invalid-json", "line 1, byte 2" },
            { "\uFEFF{}", "invalid-json", "byte order mark" },
        };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_41_D_10_a_bad_body_is_refused_with_its_own_problem_that_names_the_value(string body, string slug, string named)
    {
        using var response = await api.PostAsync(body);

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/" + slug, problem.Type);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains(named, problem.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tenant_id")]
    [InlineData("status")]
    [InlineData("cost_usd")]
    [InlineData("role")]
    [InlineData("is_admin")]
    [InlineData("epoch")]
    [InlineData("created_by")]
    public async Task A_15_a_member_that_callers_do_not_decide_is_refused(string member)
    {
        using var response = await api.PostAsync(Job($"\"{member}\":\"x\""));

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/unknown-member", problem.Type);
        Assert.Contains(member, problem.Errors!.Keys);
    }

    [Fact]
    public async Task All_values_out_of_bounds_are_named_at_once_by_their_fields()
    {
        using var response = await api.PostAsync(
            """{"type":"chat","priority":"now","max_attempts":0,"input":{"messages":[{"role":"me","content":"x"}],"temperature":-1}}"""
        );

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal(
            ["input.messages[0].role", "input.temperature", "max_attempts", "priority"],
            problem.Errors!.Keys.Order(StringComparer.Ordinal)
        );
    }

    [Theory]
    [InlineData(33)]
    [InlineData(1_000)]
    [InlineData(100_000)]
    public async Task A_41_D_10_a_body_that_nests_deeper_than_32_is_refused(int depth)
    {
        using var response = await api.PostAsync(
            $$"""{"type":"chat","input":{{new string('[', depth - 1)}}{{new string(']', depth - 1)}}}"""
        );

        var problem = await ApiServer.ReadProblemAsync(response);
        // The contract has no arrays in arrays: where it is known, the walk stops at the first.
        Assert.Contains(problem.Type, (string[])["/problems/too-deep", "/problems/invalid-value"]);
        using var unknown = await api.PostAsync($$"""{"type":"?","input":{{new string('[', depth - 1)}}{{new string(']', depth - 1)}}}""");
        Assert.Equal("/problems/too-deep", (await ApiServer.ReadProblemAsync(unknown)).Type);
    }

    [Fact]
    public async Task A_body_of_depth_32_is_read()
    {
        using var response = await api.PostAsync($$"""{"type":"?","input":{{new string('[', 31)}}{{new string(']', 31)}}}""");

        Assert.Equal("/problems/unknown-type", (await ApiServer.ReadProblemAsync(response)).Type);
    }

    [Theory]
    [InlineData(new byte[] { 0xC3, 0x28 })]
    [InlineData(new byte[] { 0xFF })]
    [InlineData(new byte[] { 0xED, 0xA0, 0x80 })]
    [InlineData(new byte[] { 0xF0, 0x9F, 0x98 })]
    public async Task A_41_invalid_utf_8_is_refused_with_its_position(byte[] bytes)
    {
        var before = """{"type":"chat","input":{"messages":[{"role":"user","content":"ä"""u8;
        byte[] body = [.. before, .. bytes, .. "\"}]}}"u8];

        using var response = await ApiServer.PostAsync(api.Http, body);

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/invalid-utf8", problem.Type);
        Assert.Contains("position 64 ", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_41_a_hundred_thousand_members_are_refused_quickly()
    {
        var body = "{" + string.Join(',', Enumerable.Range(0, 100_000).Select(i => $"\"{i}\":1")) + "}";
        using (await api.PostAsync("""{"warm":1,"warm":2}""")) { }

        var watch = Stopwatch.StartNew();
        using var response = await api.PostAsync(body);

        Assert.Equal("/problems/unknown-member", (await ApiServer.ReadProblemAsync(response)).Type);
        // Milliseconds, unless each member is compared with all before it.
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"It took {watch.Elapsed}.");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_40_D_9_a_body_over_one_mebibyte_is_refused_with_413(bool chunked)
    {
        var body = Encoding.UTF8.GetBytes(Chat("\"temperature\":1", new string('x', 1024 * 1024)));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new("application/json");
        request.Headers.TransferEncodingChunked = chunked;
        // Asks before it sends, so that the answer is never lost in a cut connection.
        request.Headers.ExpectContinue = true;

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/body-too-large", problem.Type);
        Assert.Contains("1048576", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_just_under_one_mebibyte_is_accepted()
    {
        var frame = Chat("\"temperature\":1", "");
        var job = await api.SubmitAsync(Chat("\"temperature\":1", new string('x', 1024 * 1024 - frame.Length)));

        Assert.Equal(80, job.Title!.Length);
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/json; charset=utf-16")]
    [InlineData("application/jsonp")]
    [InlineData(null)]
    public async Task A_20_a_body_that_is_not_sent_as_json_is_refused(string? contentType)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs")
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(ApiServer.Chat)),
        };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", contentType);

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);

        Assert.Equal("/problems/unsupported-media-type", (await ApiServer.ReadProblemAsync(response)).Type);
    }

    [Theory]
    [InlineData("application/json; charset=utf-8")]
    [InlineData("Application/JSON;charset=\"UTF-8\"")]
    public async Task Json_in_utf_8_is_accepted_however_the_header_spells_it(string contentType)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs")
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(ApiServer.Chat)),
        };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", contentType);

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
    }

    [Fact]
    public async Task A_42_a_compressed_body_is_refused()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = new ByteArrayContent([31, 139]) };
        request.Content.Headers.ContentType = new("application/json");
        request.Content.Headers.ContentEncoding.Add("gzip");

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);

        Assert.Contains("gzip", (await ApiServer.ReadProblemAsync(response)).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_escaped_backslash_before_u0000_is_text_like_any_other()
    {
        var job = await api.SubmitAsync("""{"type":"chat","input":{"messages":[{"role":"user","content":"a\\u0000b"}]}}""");

        Assert.Equal("a\\u0000b", job.Title);
    }

    [Fact]
    public async Task Nothing_of_a_refused_request_is_stored()
    {
        await using var count = api.Db.Source.CreateCommand("SELECT count(*) FROM jobs WHERE model = 'never'");

        using (await api.PostAsync(Job("\"model\":\"never\""), ("Idempotency-Key", "never"))) { }

        Assert.Equal(0L, await count.ExecuteScalarAsync(TestRun.Cancel));
    }

    private static string Chat(string member, string text = "x") =>
        "{\"type\":\"chat\",\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"" + text + "\"}]," + member + "}}";

    private static string Job(string member) =>
        "{\"type\":\"chat\"," + member + ",\"input\":{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}}";
}
