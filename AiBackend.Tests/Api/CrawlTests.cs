using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.OpenAiApi;

namespace AiBackend.Tests.Api;

/// <summary>A server that is asked much by one stranger.</summary>
public sealed class PatientApi(PostgresServer postgres) : ApiServer(postgres)
{
    protected override IEnumerable<(string, string)> Settings =>
        [("Limits:FailedRequestsPerMinute", "100000"), ("Limits:UnknownObjectsPerMinute", "100000")];
}

/// <summary>Every address there is, and many where others keep what is of use to an attacker, with a key and without.</summary>
public sealed partial class CrawlTests(PatientApi api) : IClassFixture<PatientApi>
{
    /// <summary>What is no part of the document, and why: all the rest is.</summary>
    private static readonly string[] Undocumented =
    [
        // For whoever watches processes.
        "GET /health/live",
        "GET /health/ready",
        "HEAD /health/live",
        "HEAD /health/ready",
        // The papers themselves.
        "GET /openapi/{documentName}.json",
        "GET /problems",
        "GET /problems/{slug}",
        // SignalR's own protocol.
        "ANY /hubs/jobs",
        "ANY /hubs/jobs/negotiate",
        // OpenAI's document is elsewhere.
        "DELETE /v1/files/{id}",
        "DELETE /v1/responses/{id}",
        "GET /v1/batches",
        "GET /v1/batches/{id}",
        "GET /v1/files",
        "GET /v1/files/{id}",
        "GET /v1/files/{id}/content",
        "GET /v1/models",
        "GET /v1/models/{**model}",
        "GET /v1/responses/{id}",
        "GET /v1/responses/{id}/input_items",
        "POST /v1/batches",
        "POST /v1/batches/{id}/cancel",
        "POST /v1/chat/completions",
        "POST /v1/embeddings",
        "POST /v1/files",
        "POST /v1/responses",
        "POST /v1/responses/{id}/cancel",
    ];

    private static readonly string[] Elsewhere =
    [
        "/",
        "/health",
        "/health/",
        "/health/startup",
        "/healthz",
        "/alive",
        "/metrics",
        "/prometheus",
        "/swagger",
        "/swagger/v1/swagger.json",
        "/openapi",
        "/openapi/v1.yaml",
        "/openapi/v2.json",
        "/scalar",
        "/aspire",
        "/dashboard",
        "/_framework/blazor.web.js",
        "/_framework/blazor.boot.json",
        "/_blazor",
        "/.git/HEAD",
        "/.env",
        "/appsettings.json",
        "/appsettings.Development.json",
        "/web.config",
        "/AiBackend.Api.dll",
        "/AiBackend.Api.pdb",
        "/app.js.map",
        "/css/tokens.css.map",
        "/debug",
        "/debug/pprof",
        "/env",
        "/trace",
        "/actuator",
        "/server-status",
        "/v1",
        "/v1/engines",
        "/api",
        "/api/v1",
        "/api/v2/jobs",
        "/hubs",
        "/hubs/jobs/x",
        "/robots.txt",
        "/favicon.ico",
    ];

    [Fact]
    public async Task A_70_nothing_but_what_is_open_answers_a_stranger_and_what_is_open_tells_nothing_of_the_installation()
    {
        using var stranger = api.Client(null);
        var open = 0;

        foreach (var call in api.Calls())
        {
            var (method, pattern, isOpen) = (call.Method, call.Pattern, call.IsOpen);
            var (status, text) = await AskAsync(stranger, method is "ANY" ? "GET" : method, ApiCalls.Fill(pattern, "x"));
            Assert.True(isOpen || status is HttpStatusCode.Unauthorized, $"{method} {pattern} answered a stranger {status}: {text}");
            Assert.False(Telling().IsMatch(text), $"{method} {pattern} tells a stranger: {Telling().Match(text).Value}");
            open += isOpen && status is HttpStatusCode.OK ? 1 : 0;
        }

        foreach (var path in Elsewhere)
        {
            var (status, text) = await AskAsync(stranger, "GET", path);
            Assert.True(status is HttpStatusCode.Unauthorized, $"{path} answered a stranger {status}: {text}");
        }

        Assert.InRange(open, 3, 10);
    }

    [Fact]
    public void A_80_what_is_not_in_the_document_is_on_a_list_and_nothing_else_is_there()
    {
        var undocumented = api.Calls()
            .Where(call => !call.Pattern.StartsWith("/api/", StringComparison.Ordinal))
            .Select(call => $"{call.Method} {call.Pattern}")
            .Distinct();

        Assert.Equal(Undocumented.Order(StringComparer.Ordinal), undocumented.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("2020-01-01")]
    [InlineData("99")]
    public async Task A_80_a_version_that_a_header_asks_for_changes_nothing(string version)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/routes");
        request.Headers.Add("api-version", version);
        request.Headers.Add("OpenAI-Version", version);

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);

        Assert.Equal(
            await api.Http.GetStringAsync("/api/v1/routes", TestRun.Cancel),
            await response.Content.ReadAsStringAsync(TestRun.Cancel)
        );
    }

    [Fact]
    public async Task A_72_no_answer_of_any_kind_can_be_sniffed_or_says_what_serves_it()
    {
        var job = await api.SubmitAsync();
        using var stranger = api.Client(null);
        var seen = new HashSet<HttpStatusCode>();

        foreach (var client in (HttpClient[])[stranger, api.Http])
        {
            foreach (var (method, pattern, _) in api.Calls().Where(call => !call.Pattern.EndsWith("/export", StringComparison.Ordinal)))
            {
                // Sent without a body where one is needed, or with an id that nobody has: every kind of refusal.
                using var request = new HttpRequestMessage(new HttpMethod(method is "ANY" ? "GET" : method), ApiCalls.Fill(pattern, "x"));
                seen.Add(await GuardedAsync(client, request));
            }
        }

        foreach (
            var (method, path, body, accept) in ((string, string, string?, string?)[])
                [
                    ("GET", $"/api/v1/jobs/{job.Id}/events", null, "text/event-stream"),
                    ("GET", $"/api/v1/jobs/{job.Id}", null, null),
                    ("POST", $"/api/v1/jobs/{job.Id}/cancel", "", null),
                    ("POST", "/api/v1/jobs", ApiServer.Chat, null),
                    ("POST", "/api/v1/jobs", new string(' ', 1024 * 1024 + 1), null),
                    ("POST", "/v1/chat/completions", OpenAiClientOf.HelloStream, null),
                    ("POST", "/v1/responses", """{"model":"default","input":"x","stream":true}""", null),
                    ("POST", "/v1/chat/completions", "{", null),
                    ("POST", "/v1/nothing", "{}", null),
                    ("PUT", "/api/v1/jobs", "{}", null),
                    ("POST", "/hubs/jobs/negotiate?negotiateVersion=1", "", null),
                    ("GET", $"/v1/files/{await UploadAsync()}/content", null, null),
                ]
        )
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
            request.Headers.TryAddWithoutValidation("Accept", accept);
            // Asks before it sends, so that the answer is never lost in a cut connection.
            request.Headers.ExpectContinue = body?.Length > 1024 * 1024;
            seen.Add(await GuardedAsync(api.Http, request));
        }

        Assert.Superset(
            new HashSet<HttpStatusCode>([
                HttpStatusCode.OK,
                HttpStatusCode.Accepted,
                HttpStatusCode.BadRequest,
                HttpStatusCode.Unauthorized,
                HttpStatusCode.NotFound,
                HttpStatusCode.MethodNotAllowed,
                HttpStatusCode.RequestEntityTooLarge,
                HttpStatusCode.UnsupportedMediaType,
            ]),
            seen
        );
    }

    private static async Task<HttpStatusCode> GuardedAsync(HttpClient client, HttpRequestMessage request)
    {
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
        var kind = response.Content.Headers.ContentType?.MediaType;
        var about = $"{request.Method} {request.RequestUri} answered {response.StatusCode} as {kind}";
        Assert.True(response.Headers.TryGetValues("X-Content-Type-Options", out var sniff) && sniff.Single() == "nosniff", about);
        Assert.False(response.Headers.Contains("Server") || response.Headers.Contains("X-Powered-By"), about);
        // Whoever has a page of this origin has one that was meant to be.
        Assert.True(kind is not "text/html" || response.Headers.Contains("Content-Security-Policy"), about);
        Assert.True(kind is not null || response.Content.Headers.ContentLength is 0 or null, about);
        return response.StatusCode;
    }

    private static async Task<(HttpStatusCode Status, string Text)> AskAsync(HttpClient client, string method, string path)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Content = method is "GET" or "HEAD" ? null : new StringContent("{}", Encoding.UTF8, "application/json");
        using var response = await client.SendAsync(request, TestRun.Cancel);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    private async Task<string> UploadAsync()
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("user_data"), "purpose" },
            { new StringContent("<script>1</script>"), "file", "a.html" },
        };
        using var response = await api.Http.PostAsync("/v1/files", form, TestRun.Cancel);
        return (await OpenAiClientOf.ReadAsync(response)).GetProperty("id").GetString()!;
    }

    /// <summary>Numbers of versions, names of models and of what is configured.</summary>
    [GeneratedRegex(
        @"\b\d+\.\d+\.\d+\b|Npgsql|Kestrel|PostgreSQL|ConnectionStrings|sim-instant|simulator|\.NET \d",
        RegexOptions.None,
        1000
    )]
    internal static partial Regex Telling();
}
