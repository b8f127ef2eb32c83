using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.OpenAiApi;
using AiBackend.Tests.Tenancy;

namespace AiBackend.Tests.Api;

// What is sent in lines of batches and in forms.
public sealed partial class SqlCorpusTests
{
    /// <summary>Every text of a chat and of a response, each in a line of its own.</summary>
    private static readonly (string Url, string Body)[] Texts =
    [
        ("/v1/chat/completions", """{"model":{0},"messages":[{"role":"user","content":"x"}]}"""),
        ("/v1/chat/completions", """{"model":"sim","messages":[{"role":"user","content":{0},"name":{0}}]}"""),
        ("/v1/chat/completions", """{"model":"sim","messages":[{"role":{0},"content":"x"}]}"""),
        ("/v1/chat/completions", """{"model":"sim","messages":[{"role":"user","content":[{"type":"text","text":{0}}]}]}"""),
        ("/v1/chat/completions", """{"model":"sim","messages":[{"role":"user","content":[{"type":{0},"text":"x"}]}]}"""),
        ("/v1/chat/completions", """{"model":"sim","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":{0}}}]}]}"""),
        (
            "/v1/chat/completions",
            """{"model":"sim","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":{0}}}]}]}"""
        ),
        ("/v1/chat/completions", """{"model":"sim","messages":[{"role":"user","content":"x"}],"user":{0},"stop":[{0}]}"""),
        ("/v1/chat/completions", """{"model":"sim","messages":[{"role":"user","content":"x"}],"store":true,"metadata":{"a":{0}}}"""),
        ("/v1/chat/completions", """{"model":"sim","messages":[{"role":"user","content":"x"}],"store":true,"metadata":{{0}:"a"}}"""),
        ("/v1/chat/completions", """{"model":"sim","messages":[{"role":"user","content":"x"}],"reasoning_effort":{0}}"""),
        ("/v1/chat/completions", """{"model":"sim","messages":[{"role":"user","content":"x"}],"prompt_cache_key":{0}}"""),
        ("/v1/chat/completions", """{"model":"sim","messages":[{"role":"user","content":"x"}],{0}:1}"""),
        (
            "/v1/chat/completions",
            """{"model":"sim","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":{0},"description":{0}}}]}"""
        ),
        (
            "/v1/chat/completions",
            """{"model":"sim","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"a","description":{0},"parameters":{"type":"object","properties":{{0}:{"type":"string","description":{0}}}}}}]}"""
        ),
        (
            "/v1/chat/completions",
            """{"model":"sim","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":{0},"type":"function","function":{"name":"a","arguments":"{}"}}]},{"role":"tool","tool_call_id":{0},"content":{0}}]}"""
        ),
        (
            "/v1/chat/completions",
            """{"model":"sim","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":{0},"schema":{"type":"object"}}}}"""
        ),
        (
            "/v1/chat/completions",
            """{"model":"sim","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"a","description":{0},"schema":{"type":"object","title":{0}}}}}"""
        ),
        ("/v1/responses", """{"model":"sim","input":[{"role":"user","content":[{"type":"input_text","text":{0}}]}],"user":{0}}"""),
        ("/v1/responses", """{"model":"sim","input":[{"role":{0},"content":"x"}]}"""),
        ("/v1/responses", """{"model":"sim","input":[{"role":"user","content":[{"type":"input_file","file_id":{0}}]}]}"""),
        ("/v1/responses", """{"model":"sim","input":"x","metadata":{{0}:{0}},"instructions":{0}}"""),
        ("/v1/responses", """{"model":"sim","input":"x","tools":[{"type":"function","name":{0},"description":{0},"parameters":{}}]}"""),
        ("/v1/responses", """{"model":"sim","input":"x","text":{"format":{"type":"json_schema","name":{0},"schema":{"type":"object"}}}}"""),
        ("/v1/responses", """{"model":"sim","input":"x","reasoning":{"effort":{0}}}"""),
        (
            "/v1/responses",
            """{"model":"sim","input":[{"role":"user","content":"x"},{"type":"function_call","call_id":{0},"name":"a","arguments":{0}},{"type":"function_call_output","call_id":{0},"output":{0}}]}"""
        ),
    ];

    [Theory]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/responses")]
    public async Task A_75_nor_does_one_in_a_line_of_a_batch(string url)
    {
        var statements = Texts.Where(each => each.Url == url).SelectMany(each => Statements.Select(text => (each.Body, text))).ToList();

        // In few batches: as many lines as are jobs at once.
        foreach (var some in statements.Chunk(8 * Statements.Length))
        {
            var told = await Task.WhenAll(
                LinesAsync(url, some),
                LinesAsync(url, [.. some.Select(each => (each.Body, Harmless(each.text)))])
            );

            for (var i = 0; i < some.Length; i++)
            {
                Assert.False(told[0][i].StartsWith('5'), $"{some[i]}: {told[0][i]}");
                Assert.Equal((some[i], told[1][i]), (some[i], told[0][i]));
            }
        }
    }

    [Fact]
    public async Task A_75_nor_does_one_in_a_form_a_header_or_what_a_batch_is_given()
    {
        foreach (var text in Statements)
        {
            Assert.Equal(await OfFormAsync(Harmless(text)), await OfFormAsync(text));
        }

        async Task<List<string>> OfFormAsync(string text) =>
            [
                await UploadAsync("batch", text),
                await UploadAsync(text, "a.jsonl"),
                await PostAsync(
                    "/v1/batches",
                    $$"""{"input_file_id":"{{await FileAsync()}}","endpoint":"/v1/responses","completion_window":"24h","metadata":{"a":{0} } }""",
                    text
                ),
                await PostAsync(
                    "/v1/batches",
                    $$"""{"input_file_id":"{{await FileAsync()}}","endpoint":{0},"completion_window":"24h"}""",
                    text
                ),
                await PostAsync("/v1/batches", """{"input_file_id":"file-x","endpoint":"/v1/responses","completion_window":{0}}""", text),
                await PostAsync("/v1/responses", """{"model":"sim","background":true,"input":"x"}""", text, header: "Idempotency-Key"),
                await PostAsync("/v1/embeddings", """{"model":"none","input":[{0}],"encoding_format":{0}}""", text),
            ];
    }

    private async Task<string> UploadAsync(string purpose, string name)
    {
        using var request = Form(purpose, name);
        var text = purpose == "batch" ? name : purpose;
        using var response = await api.Http.SendAsync(request, TestRun.Cancel);
        var body = JsonElement.Parse(await response.Content.ReadAsStringAsync(TestRun.Cancel));
        if (response.StatusCode == HttpStatusCode.OK && purpose == "batch")
        {
            // What is in front of a backslash is a path, and quotes would end the name where others write it.
            var kept = name[(name.LastIndexOf('\\') + 1)..].Replace("\"", "", StringComparison.Ordinal);
            Assert.Equal(kept, body.GetProperty("filename").GetString());
        }

        return $"{(int)response.StatusCode} {Shorten(body.TryGetProperty("error", out var error) ? error.GetProperty("message").GetString()! : "", text)}";
    }

    private async Task<string> FileAsync()
    {
        using var request = Form("batch", "a.jsonl");
        using var response = await api.Http.SendAsync(request, TestRun.Cancel);
        return (await OpenAiClientOf.ReadAsync(response)).GetProperty("id").GetString()!;
    }

    private static HttpRequestMessage Form(string purpose, string name)
    {
        var content = new ByteArrayContent("{}"u8.ToArray());
        // Not quoted by hand: the other form of it takes any character.
        content.Headers.ContentDisposition = new ContentDispositionHeaderValue("form-data") { Name = "file", FileNameStar = name };
        return new(HttpMethod.Post, "/v1/files")
        {
            Content = new MultipartFormDataContent { { new StringContent(purpose), "purpose" }, content },
        };
    }

    private async Task<string> PostAsync(string address, string body, string text, string? header = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, address);
        request.Content = new StringContent(
            body.Replace("{0}", Written(text), StringComparison.Ordinal),
            new MediaTypeHeaderValue("application/json")
        );
        if (header is not null)
        {
            request.Headers.TryAddWithoutValidation(header, text);
        }

        return await AnswerAsync(request, text);
    }

    /// <returns>What became of each: a job, or why it is none.</returns>
    private async Task<List<string>> LinesAsync(string url, (string Body, string Text)[] texts)
    {
        var lines = texts.Select(
            (each, n) =>
                $$"""{"custom_id":{{Written($"{n} {each.Text}")}},"method":"POST","url":"{{url}}","body":{{each.Body.Replace("{0}", Written(each.Text), StringComparison.Ordinal)}}}"""
        );
        using var form = new MultipartFormDataContent
        {
            { new StringContent("batch"), "purpose" },
            { new StringContent(string.Join('\n', lines)), "file", "a.jsonl" },
        };
        using var uploaded = await api.Http.PostAsync("/v1/files", form, TestRun.Cancel);
        var file = (await OpenAiClientOf.ReadAsync(uploaded)).GetProperty("id").GetString();
        using var made = await api.Http.CallAsync(
            "/v1/batches",
            System.Text.Encoding.UTF8.GetBytes($$"""{"input_file_id":"{{file}}","endpoint":"{{url}}","completion_window":"24h"}"""),
            TestRun.Cancel
        );
        var batch = Guid.ParseExact((await OpenAiClientOf.ReadAsync(made)).GetProperty("id").GetString()!["batch_".Length..], "N");

        // One text: the line, what it is named, and the error, which is long.
        var ends = await Eventually.GetAsync(
            async _ =>
                await PlantedTenant.ScalarAsync<string[]>(
                    api,
                    """
                    SELECT coalesce(array_agg(coalesce(status_code::text, 'job') || ' ' || custom_id || ' ' || coalesce(error, '') ORDER BY line), '{}')
                      FROM batch_lines WHERE batch_id = $1 AND (job_id IS NOT NULL OR status_code IS NOT NULL)
                    """,
                    batch
                ),
            ends => ends.Length == texts.Length,
            "every line is a job, or refused",
            TimeSpan.FromSeconds(90)
        );
        return [.. ends.Zip(texts, (end, each) => Told(end, each.Text))];
    }

    private static string Told(string end, string text)
    {
        var at = end.IndexOf("{\"error\"", StringComparison.Ordinal);
        if (at < 0)
        {
            Assert.EndsWith($" {text} ", end, StringComparison.Ordinal);
            return end[..3];
        }

        Assert.EndsWith($" {text} ", end[..at], StringComparison.Ordinal);
        var error = JsonNode.Parse(end[at..])!["error"]!;
        return $"{end[..3]} {error["code"]} {Shorten((string)error["message"]!, text)}";
    }
}
