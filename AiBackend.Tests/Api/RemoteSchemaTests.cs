using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using AiBackend.Tests.Egress;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>Schemas that name another one elsewhere: nobody fetches it, here or for us.</summary>
public sealed class RemoteSchemaTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Tools = """[{"type":"function","function":{"name":"f","parameters":SCHEMA}}]""";
    private const string Format = """{"type":"json_schema","json_schema":{"name":"n","schema":SCHEMA}}""";
    private const string Messages = """[{"role":"user","content":"x"}]""";

    public static TheoryData<string, string, string> Doors =>
        new()
        {
            { "POST", "/api/v1/jobs", $$$"""{"type":"chat","input":{"messages":{{{Messages}}},"tools":{{{Tools}}}} }""" },
            { "POST", "/api/v1/jobs", $$$"""{"type":"chat","input":{"messages":{{{Messages}}},"response_format":{{{Format}}}} }""" },
            { "POST", "/api/v1/jobs", $$$"""{"type":"chat","contract":{"schema":SCHEMA},"input":{"messages":{{{Messages}}}} }""" },
            { "POST", "/v1/chat/completions", $$$"""{"model":"sim","stream":true,"messages":{{{Messages}}},"tools":{{{Tools}}}}""" },
            {
                "POST",
                "/v1/chat/completions",
                $$$"""{"model":"sim","stream":true,"messages":{{{Messages}}},"response_format":{{{Format}}}}"""
            },
            {
                "POST",
                "/v1/responses",
                """{"model":"sim","background":true,"input":"x","tools":[{"type":"function","name":"f","parameters":SCHEMA}]}"""
            },
            {
                "POST",
                "/v1/responses",
                """{"model":"sim","background":true,"input":"x","text":{"format":{"type":"json_schema","name":"n","schema":SCHEMA}}}"""
            },
            { "PUT", "/api/v1/tools/remote", """{"kind":"client","effect":"external_wait","description":"d","parameters":SCHEMA}""" },
        };

    [Theory]
    [MemberData(nameof(Doors))]
    public async Task A_57_a_reference_that_leads_out_of_a_schema_is_refused_and_nobody_follows_it(string method, string path, string body)
    {
        await using var elsewhere = new TcpTarget();
        var address = $"http://127.0.0.1:{elsewhere.Port}/schema.json";
        string[] schemas =
        [
            $$"""{"type":"object","properties":{"a":{"$ref":"{{address}}"} } }""",
            $$"""{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"$ref":"{{address}}#/$defs/x"}]} } }""",
            """{"type":"object","$defs":{"x":{"$ref":"file:///etc/passwd"}}}""",
            """{"type":"object","properties":{"a":{"$ref":"other.json"}}}""",
            """{"type":"object","properties":{"const":{"$ref":"other.json"}}}""",
            """{"type":"object","$defs":{"default":{"$ref":"other.json"}}}""",
        ];

        foreach (var schema in schemas)
        {
            var (status, text) = await SendAsync(method, path, body.Replace("SCHEMA", schema, StringComparison.Ordinal));

            Assert.True(status == HttpStatusCode.BadRequest, $"{schema} was answered {status}: {text}");
            Assert.Contains("$ref", JsonElement.Parse(text).GetRawText(), StringComparison.Ordinal);
        }

        // One that stays within it, and a property of that name.
        var (good, told) = await SendAsync(
            method,
            path,
            body.Replace(
                "SCHEMA",
                """{"type":"object","properties":{"a":{"$ref":"#/$defs/x"},"$ref":{"type":"string"},"b":{"const":{"$ref":"other.json"}}},"$defs":{"x":{"type":"string"}}}""",
                StringComparison.Ordinal
            )
        );
        Assert.True((int)good < 300, $"{good}: {told}");
        Assert.Equal(0, elsewhere.Connections);
    }

    [Theory]
    [MemberData(nameof(Doors))]
    public async Task A_57_nor_does_anybody_follow_the_name_that_a_schema_gives_itself(string method, string path, string body)
    {
        await using var elsewhere = new TcpTarget();
        var address = $"http://127.0.0.1:{elsewhere.Port}/schema.json";
        var schema = $$"""{"$schema":"{{address}}","$id":"{{address}}","type":"object"}""";

        await SendAsync(method, path, body.Replace("SCHEMA", schema, StringComparison.Ordinal));

        Assert.Equal(0, elsewhere.Connections);
    }

    private async Task<(HttpStatusCode Status, string Text)> SendAsync(string method, string path, string body)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Content = new StringContent(body, new MediaTypeHeaderValue("application/json"));
        using var response = await api.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
        // A stream has begun, and ends with its job: nobody runs that here.
        return (
            response.StatusCode,
            response.Content.Headers.ContentType?.MediaType is "text/event-stream"
                ? ""
                : await response.Content.ReadAsStringAsync(TestRun.Cancel)
        );
    }
}
