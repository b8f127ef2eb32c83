using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi;

/// <summary>What is refused under /v1, in OpenAI's own shape, and that no parameter passes without being understood.</summary>
public sealed class BadCallTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Message = """{"role":"user","content":"Hello"}""";

    public static TheoryData<string, string, string> Parameters =>
        new()
        {
            { "\"n\":2", "n", "unsupported_parameter" },
            { "\"n\":1000", "n", "unsupported_parameter" },
            { "\"best_of\":2", "best_of", "unknown_parameter" },
            { "\"logprobs\":true", "logprobs", "unsupported_parameter" },
            { "\"top_logprobs\":3", "top_logprobs", "unsupported_parameter" },
            { "\"logit_bias\":{\"50256\":-100}", "logit_bias", "unsupported_parameter" },
            { "\"audio\":{\"voice\":\"alloy\",\"format\":\"wav\"}", "audio", "unsupported_parameter" },
            { "\"modalities\":[\"text\",\"audio\"]", "modalities", "unsupported_parameter" },
            { "\"store\":true", "store", "unsupported_parameter" },
            { "\"service_tier\":\"scale\"", "service_tier", "unsupported_parameter" },
            { "\"functions\":[]", "functions", "unsupported_parameter" },
            { "\"organization\":\"org-1\"", "organization", "unknown_parameter" },
            { "\"stream_options\":{\"include_usage\":true}", "stream_options", "invalid_value" },
            { "\"stream\":\"yes\"", "stream", "invalid_value" },
            { "\"temperature\":3", "temperature", "invalid_value" },
            { "\"temperature\":1e400", "temperature", "invalid_value" },
            { "\"top_p\":\"much\"", "top_p", "invalid_value" },
            { "\"max_tokens\":2147483648", "max_tokens", "invalid_value" },
            { "\"max_completion_tokens\":0", "max_completion_tokens", "invalid_value" },
            { "\"max_tokens\":5,\"max_completion_tokens\":6", "max_completion_tokens", "invalid_value" },
            { "\"user\":\"a\",\"safety_identifier\":\"b\"", "safety_identifier", "invalid_value" },
            { "\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\"]", "stop", "invalid_value" },
            { "\"reasoning_effort\":\"maximum\"", "reasoning_effort", "invalid_value" },
            { "\"metadata\":{\"a\":1}", "metadata.a", "invalid_value" },
            { "\"metadata\":{\"aibackend_wish\":\"x\"}", "metadata.aibackend_wish", "invalid_value" },
            { "\"metadata\":{\"aibackend_detach\":\"yes\"}", "metadata.aibackend_detach", "invalid_value" },
            { "\"messages\":[]", "messages", "missing_messages" },
            { "\"messages\":[{\"role\":\"user\",\"content\":\" \"}]", "messages[0].content", "empty_text" },
            { "\"messages\":[{\"role\":\"king\",\"content\":\"Hi\"}]", "messages[0].role", "invalid_value" },
            {
                "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://e.example/x.png\"}}]}]",
                "messages[0].content[0].image_url.url",
                "unsupported_parameter"
            },
            { "\"wish\":1", "wish", "unknown_parameter" },
            { "\"tools\":[{\"type\":\"web_search\"}]", "tools[0].type", "unsupported_parameter" },
            { "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]", "tools[0].function.name", "invalid_value" },
            { "\"tools\":{}", "tools", "invalid_value" },
            { "\"response_format\":{\"type\":\"text\",\"wish\":1}", "response_format.wish", "unknown_parameter" },
            { "\"tool_choice\":\"required\"", "tool_choice", "invalid_value" },
            { "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "tool_choice", "invalid_value" },
            { "\"parallel_tool_calls\":true", "parallel_tool_calls", "invalid_value" },
            { "\"response_format\":{\"type\":\"xml\"}", "response_format.type", "invalid_value" },
            { "\"response_format\":{\"type\":\"json_schema\"}", "response_format.json_schema", "invalid_value" },
            {
                "\"messages\":[{\"role\":\"tool\",\"content\":\"Hi\",\"tool_call_id\":\"no\"}]",
                "messages[0].tool_call_id",
                "invalid_value"
            },
            {
                "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\",\"wish\":1}]}]",
                "messages[0].content[0].wish",
                "unknown_parameter"
            },
        };

    public static TheoryData<string> Forbidden =>
        [
            .. ((string[])["api_base", "base_url", "endpoint", "proxy", "headers", "api_key", "API_BASE"]).SelectMany(name =>
                (string[])
                    [
                        $"\"{name}\":\"http://127.0.0.1:9\"",
                        $"\"metadata\":{{\"{name}\":\"http://127.0.0.1:9\"}}",
                        $"\"tools\":[{{\"type\":\"function\",\"function\":{{\"name\":\"f\",\"parameters\":{{\"type\":\"object\",\"properties\":{{\"a\":{{\"{name}\":1}}}}}}}}}}]",
                        $"\"messages\":[{{\"role\":\"user\",\"content\":[{{\"type\":\"text\",\"text\":\"Hi\",\"{name}\":{{}}}}]}}]",
                    ]
            ),
        ];

    public static TheoryData<string, string> Broken =>
        new()
        {
            { "", "invalid_json" },
            { "[]", "invalid_value" },
            { "null", "invalid_value" },
            { Hello + "{}", "invalid_json" },
            { "\uFEFF" + Hello, "invalid_json" },
            { "/* */" + Hello, "invalid_json" },
            { Hello.Insert(1, "\"model\":\"sim\","), "duplicate_member" },
            { Hello.Insert(1, "\"metadata\":{\"a\":\"1\",\"a\":\"2\"},"), "duplicate_member" },
            {
                Hello.Insert(1, "\"metadata\":" + string.Concat(Enumerable.Repeat("{\"a\":", 40)) + "1" + new string('}', 40) + ","),
                "too_deep"
            },
            { Hello.Insert(1, "\"metadata\":" + new string('[', 100_000) + ","), "too_deep" },
            { Hello.Replace("Hello", "\\ud83d", StringComparison.Ordinal), "invalid_utf8" },
            { Hello.Replace("Hello", "\\u0000", StringComparison.Ordinal), "invalid_value" },
        };

    [Theory]
    [MemberData(nameof(Parameters))]
    public async Task A_46_a_parameter_that_is_not_supported_is_named_and_never_passed_over(string member, string param, string code)
    {
        var name = member.Split('"')[1];
        var rest = name == "messages" ? "" : $"\"messages\":[{Message}],";

        using var response = await api.CallAsync($$"""{"model":"default",{{rest}}{{member}}}""");

        var error = await ReadErrorAsync(response, HttpStatusCode.BadRequest);
        Assert.Equal(("invalid_request_error", param, code), (Text(error, "type"), Text(error, "param"), Text(error, "code")));
        Assert.Contains(param.Split('.')[0], Text(error, "message"), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Forbidden))]
    public async Task A_37_nobody_says_where_or_as_whom_a_provider_is_asked_at_whatever_depth(string member)
    {
        var rest = member.StartsWith("\"messages", StringComparison.Ordinal) ? "" : $"\"messages\":[{Message}],";

        using var response = await api.CallAsync($$"""{"model":"default",{{rest}}{{member}}}""");

        Assert.Equal("forbidden_member", Text(await ReadErrorAsync(response, HttpStatusCode.BadRequest), "code"));
    }

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task A_41_a_body_that_is_no_sound_JSON_is_refused_with_its_fault(string body, string code)
    {
        using var response = await api.CallAsync(body);

        Assert.Equal(code, Text(await ReadErrorAsync(response, HttpStatusCode.BadRequest), "code"));
    }

    [Fact]
    public async Task A_41_bytes_that_are_no_text_are_refused()
    {
        byte[] body =
        [
            .. Encoding.UTF8.GetBytes("""{"model":"default","messages":[{"role":"user","content":" """),
            0xC3,
            0x28,
            .. "\"}]}"u8,
        ];

        using var response = await api.Http.CallAsync("/v1/chat/completions", body, TestRun.Cancel);

        Assert.Equal("invalid_utf8", Text(await ReadErrorAsync(response, HttpStatusCode.BadRequest), "code"));
    }

    [Fact]
    public async Task A_40_a_body_beyond_the_limit_is_refused()
    {
        using var response = await api.CallAsync(
            Hello.Replace("Hello", new string('x', 2 * 1024 * 1024), StringComparison.Ordinal),
            // Asks before it sends, so that the answer is never lost in a cut connection.
            ("Expect", "100-continue")
        );

        Assert.Equal("body_too_large", Text(await ReadErrorAsync(response, HttpStatusCode.RequestEntityTooLarge), "code"));
    }

    [Fact]
    public async Task A_40_a_packed_body_and_one_of_another_kind_are_refused()
    {
        using var packed = await api.CallAsync(Hello, ("Content-Encoding", "gzip"));
        using var form = await api.Http.PostAsync(
            "/v1/chat/completions",
            new StringContent(Hello, Encoding.UTF8, "text/plain"),
            TestRun.Cancel
        );

        await ReadErrorAsync(packed, HttpStatusCode.UnsupportedMediaType);
        await ReadErrorAsync(form, HttpStatusCode.UnsupportedMediaType);
    }

    [Theory]
    [InlineData("GET", "/v1/models", HttpStatusCode.Unauthorized, "invalid_api_key", false)]
    [InlineData("POST", "/v1/chat/completions", HttpStatusCode.Unauthorized, "invalid_api_key", false)]
    [InlineData("GET", "/v1/nothing", HttpStatusCode.Unauthorized, "invalid_api_key", false)]
    [InlineData("GET", "/v1/nothing", HttpStatusCode.NotFound, "not_found", true)]
    [InlineData("GET", "/v1/chat/completions", HttpStatusCode.MethodNotAllowed, "method_not_allowed", true)]
    [InlineData("GET", "/v1/models/gpt-none", HttpStatusCode.NotFound, "model_not_found", true)]
    [InlineData("GET", "/v1/models?limit=1", HttpStatusCode.BadRequest, "unknown_query_parameter", true)]
    public async Task Every_refusal_under_v1_has_the_four_members(
        string method,
        string path,
        HttpStatusCode status,
        string code,
        bool withKey
    )
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);

        using var response = await (withKey ? api.Http : api.Client(null)).SendAsync(request, TestRun.Cancel);

        Assert.Equal(code, Text(await ReadErrorAsync(response, status), "code"));
    }

    [Fact]
    public async Task An_unknown_model_is_not_found_and_a_key_without_the_scope_may_not_ask()
    {
        using var unknown = await api.CallAsync(Hello.Replace("default", "gpt-none", StringComparison.Ordinal));
        var reader = api.Client(await api.AddKeyAsync(AiBackend.Core.Tenancy.ApiKeyStore.DefaultTenant, "jobs:read"));
        using var refused = await reader.CallAsync("/v1/chat/completions", Encoding.UTF8.GetBytes(Hello), TestRun.Cancel);

        var error = await ReadErrorAsync(unknown, HttpStatusCode.NotFound);
        Assert.Equal(("model", "model_not_found"), (Text(error, "param"), Text(error, "code")));
        Assert.Equal("permission_error", Text(await ReadErrorAsync(refused, HttpStatusCode.Forbidden), "type"));
    }

    [Fact]
    public async Task The_models_are_the_routes_and_models_that_jobs_may_ask_for()
    {
        var list = JsonElement.Parse(await api.Http.GetStringAsync("/v1/models", TestRun.Cancel));
        var one = JsonElement.Parse(await api.Http.GetStringAsync("/v1/models/default", TestRun.Cancel));

        Assert.Equal("list", list.GetProperty("object").GetString());
        var ids = list.GetProperty("data").EnumerateArray().Select(model => model.GetProperty("id").GetString()).ToList();
        Assert.Equal("default", ids[0]);
        Assert.Contains("sim", ids);
        Assert.Equal(("default", "model"), (one.GetProperty("id").GetString(), one.GetProperty("object").GetString()));
    }

    [Fact]
    public async Task A_key_that_may_ask_some_models_sees_and_asks_no_others()
    {
        var key = await api.AddKeyAsync(AiBackend.Core.Tenancy.ApiKeyStore.DefaultTenant, "*");
        await using var bound = api.Db.Source.CreateCommand("UPDATE api_keys SET allowed_models = '{sim}' WHERE key_id = $1");
        bound.Parameters.AddWithValue(AiBackend.Core.Tenancy.ApiKey.TryParse(key)!.Id);
        await bound.ExecuteNonQueryAsync(TestRun.Cancel);
        var http = api.Client(key);

        var list = JsonElement.Parse(await http.GetStringAsync("/v1/models", TestRun.Cancel));
        using var other = await http.GetAsync("/v1/models/default", TestRun.Cancel);
        using var asked = await http.CallAsync("/v1/chat/completions", Encoding.UTF8.GetBytes(Hello), TestRun.Cancel);

        Assert.Equal(["sim"], list.GetProperty("data").EnumerateArray().Select(model => model.GetProperty("id").GetString()));
        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden), (other.StatusCode, asked.StatusCode));
    }

    private static string? Text(JsonElement error, string member) => error.GetProperty(member).GetString();
}
