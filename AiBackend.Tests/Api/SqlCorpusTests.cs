using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Tenancy;

namespace AiBackend.Tests.Api;

/// <summary>A server that is asked for much that does not exist.</summary>
public sealed class CuriousApi(PostgresServer postgres) : ApiServer(postgres)
{
    protected override IEnumerable<(string, string)> Settings =>
        [
            ("Limits:FailedRequestsPerMinute", "1000000"),
            ("Limits:UnknownObjectsPerMinute", "1000000"),
            ("Limits:TenantAdminPerMinute", "1000000"),
        ];
}

/// <summary>Statements in the place of every text that anybody may send: they are texts like others.</summary>
public sealed partial class SqlCorpusTests(CuriousApi api) : IClassFixture<CuriousApi>
{
    private static readonly string[] Statements =
    [
        "' OR '1'='1",
        "x'; DROP TABLE jobs; --",
        "x') ; DELETE FROM users; --",
        "\\'; UPDATE tenants SET slug = 'x'; --",
        "$$; SELECT pg_sleep(20); $$",
        "%' UNION SELECT password, 1 FROM users --",
        "x\" OR \"a\" = \"a",
        "x' || (SELECT password FROM users LIMIT 1) || '",
        "{\"a'\": \"b') --\"}",
        "%",
        "a_%",
    ];

    private const string Control = """{"kind":"queue","name":"default","reason":"r"}""";

    /// <summary>Bodies that are taken, where an empty one is not; {n} is a number that no other body has.</summary>
    private static readonly Dictionary<string, string> Bodies = new(StringComparer.Ordinal)
    {
        ["POST /api/v1/jobs"] = ApiServer.Chat,
        ["POST /api/v1/prompts"] = """{"name":"p{n}","template":{"messages":[{"role":"user","content":"Hi"}]}}""",
        ["POST /api/v1/prompts/{name}/versions"] = """{"template":{"messages":[{"role":"user","content":"{n}"}]}}""",
        ["POST /api/v1/keys"] = """{"name":"k","scopes":["jobs:read"]}""",
        ["POST /api/v1/users"] = """{"email":"u{n}@example.com","role":"viewer","password":"a long password"}""",
        ["POST /api/v1/budgets"] = """{"scope":"feature","subject":"f{n}","window":"day","limit_usd":1}""",
        ["POST /api/v1/tenants"] = """{"slug":"t{n}","organisation":"default"}""",
        ["POST /api/v1/organisations"] = """{"slug":"o{n}"}""",
        ["POST /api/v1/webhooks"] = """{"url":"https://hooks.example.com/x"}""",
        ["POST /api/v1/webhooks/inbound"] = """{"name":"n{n}","template":{"prompt":"x"}}""",
        ["POST /api/v1/contracts/check"] = """{"contract":{"schema":{"type":"object"}},"text":"{}"}""",
        ["POST /api/v1/conversations/{id}/messages"] = """{"messages":[{"role":"user","content":"x"}]}""",
        ["POST /api/v1/dead-letters/replay"] = """{"filter":{"model":"none"}}""",
        ["POST /api/v1/dead-letters/discard"] = """{"filter":{"model":"none"}}""",
        ["POST /api/v1/knowledge/{collection}/search"] = """{"query":"x"}""",
        ["POST /api/v1/workflows/{name}/runs"] = """{"input":{"a":"x"}}""",
        ["POST /api/v1/queues/pause"] = Control,
        ["POST /api/v1/queues/drain"] = Control,
        ["POST /api/v1/queues/resume"] = Control,
        ["PUT /api/v1/knowledge/{collection}/documents"] = """{"source":"s","text":"x"}""",
        ["PUT /api/v1/profiles/{user}"] = """{"text":"x"}""",
        ["PUT /api/v1/workflows/{name}"] = """{"steps":[{"name":"a","type":"event"}]}""",
        ["PUT /api/v1/tools/{name}"] = """{"kind":"client","effect":"external_wait","description":"d"}""",
    };

    private int _number;

    [Fact]
    public async Task A_75_a_statement_in_any_text_does_what_any_other_text_does()
    {
        var untouched = await api.AddTenantAsync();
        await PlantedTenant.AddAsync(api, untouched, "untouched");
        var planted = (await PlantedTenant.AddAsync(api, api.Key, "planted")).Ids;
        await Eventually.TrueAsync(
            async _ =>
                await PlantedTenant.ScalarAsync<bool>(
                    api,
                    "SELECT count(*) = 2 AND NOT EXISTS (SELECT FROM batches WHERE status = 0) FROM batch_lines WHERE state = 1 AND custom_id IN ('planted', 'untouched')"
                ),
            "the lines of the batches are jobs"
        );
        using var document = JsonDocument.Parse(await api.Http.GetByteArrayAsync("/openapi/v1.json", TestRun.Cancel));
        var before = await RowsOfAsync(untouched);
        var (tried, taken, differ) = (0, 0, new List<string>());

        // What is deleted is of no use to those that follow.
        foreach (var operation in DocumentedOperation.Of(document.RootElement).OrderBy(operation => operation.Method is "DELETE"))
        {
            var name = $"{operation.Method} {operation.Path}";
            var body = Bodies.GetValueOrDefault(name, "{}");
            var address = AddressOf(operation.Path, planted);
            // What it does once it has done, so that all that follow find the same.
            await SendAsync(operation, address, null, body, "");
            await MakeRoomAsync(operation, planted);
            var inputs = operation.Inputs.SelectMany(input => Statements.Select(text => (Input: input, Text: text))).ToList();

            var rows = new List<Dictionary<string, long>> { await CountsAsync() };
            var told = new List<List<string>>();
            foreach (var plain in (bool[])[false, true])
            {
                var answers = new string[inputs.Count];
                // Reading is not disturbed by other readers, nor a job by other jobs.
                var many = new ParallelOptions
                {
                    MaxDegreeOfParallelism = operation.Method is "GET" || name is "POST /api/v1/jobs" ? 4 : 1,
                };
                await Parallel.ForAsync(
                    0,
                    inputs.Count,
                    many,
                    async (n, _) =>
                    {
                        await (n % Statements.Length == 0 ? MakeRoomAsync(operation, planted) : Task.CompletedTask);

                        var (input, text) = inputs[n];
                        var sent = plain ? HarmlessFor(input, text) : text;
                        var place = input.In is "path" ? AddressWith(operation.Path, planted, input.Name, sent) : address;
                        answers[n] = await SendAsync(operation, place, input, body, sent);
                    }
                );

                told.Add([.. answers]);
                rows.Add(await CountsAsync());
            }

            foreach (var ((input, text), (statement, other)) in inputs.Zip(told[0].Zip(told[1])))
            {
                if (statement != other || statement.StartsWith('5'))
                {
                    differ.Add($"{name}, {input} = {text}: {statement}, and of another text: {other}");
                }

                tried++;
                taken += statement.StartsWith('2') ? 1 : 0;
            }

            foreach (var (table, count) in rows[0])
            {
                var (first, second) = (rows[1][table] - count, rows[2][table] - rows[1][table]);
                if (first != second)
                {
                    differ.Add($"{name}: {first} rows of {table}, and {second} with other texts");
                }
            }
        }

        Assert.True(differ.Count == 0, string.Join('\n', differ));
        Assert.True(tried > 400 * Statements.Length && taken > 1_000, $"{tried} texts were tried, {taken} were taken.");
        Assert.Equal(before, await RowsOfAsync(untouched));
    }

    [Theory]
    [InlineData("/v1/files?after={0}")]
    [InlineData("/v1/files?purpose={0}")]
    [InlineData("/v1/files/{0}")]
    [InlineData("/v1/files/{0}/content")]
    [InlineData("/v1/batches?after={0}")]
    [InlineData("/v1/batches/{0}")]
    [InlineData("/v1/responses/{0}")]
    [InlineData("/v1/responses/{0}?stream={0}")]
    [InlineData("/v1/responses/{0}/input_items?after={0}")]
    [InlineData("/v1/models/{0}")]
    [InlineData("/v1/responses", """{"model":"sim","background":true,"input":"x","user":{0},"metadata":{"a":{0}},"instructions":{0}}""")]
    [InlineData("/v1/responses", """{"model":{0},"background":true,"input":"x"}""")]
    [InlineData("/v1/responses", """{"model":"sim","background":true,"input":"x","previous_response_id":{0}}""")]
    [InlineData("/v1/responses", """{"model":"sim","background":true,"input":"x","conversation":{0}}""")]
    [InlineData("/v1/batches", """{"input_file_id":{0},"endpoint":"/v1/responses","completion_window":"24h"}""")]
    [InlineData("/v1/embeddings", """{"model":{0},"input":{0},"user":{0}}""")]
    public async Task A_75_nor_does_one_under_v1(string address, string? body = null)
    {
        foreach (var text in Statements)
        {
            var answers = new List<string>();
            foreach (var sent in (string[])[text, Harmless(text)])
            {
                using var request = new HttpRequestMessage(
                    body is null ? HttpMethod.Get : HttpMethod.Post,
                    address.Replace("{0}", Uri.EscapeDataString(sent), StringComparison.Ordinal)
                );
                request.Content = body is null
                    ? null
                    : new StringContent(
                        body.Replace("{0}", Written(sent), StringComparison.Ordinal),
                        new MediaTypeHeaderValue("application/json")
                    );
                answers.Add(await AnswerAsync(request, sent));
            }

            Assert.False(answers[0].StartsWith('5'), $"{text}: {answers[0]}");
            Assert.Equal((text, answers[1]), (text, answers[0]));
        }
    }

    /// <summary>As JSON, with no more escapes than there must be: an error may quote it.</summary>
    private static string Written(string text) => $"\"{JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";

    private async Task<string> SendAsync(DocumentedOperation operation, string address, StringInput? input, string body, string text)
    {
        using var request = new HttpRequestMessage(
            new HttpMethod(operation.Method),
            input is { In: "query" }
                ? $"{address}{(address.Contains('?', StringComparison.Ordinal) ? '&' : '?')}{input.Name}={Uri.EscapeDataString(text)}"
                : address
        );
        request.Headers.TryAddWithoutValidation("Accept", "application/json");
        if (operation.HasBody)
        {
            var sent = input is { In: "body" } ? input.Put(body, text) : body;
            var number = Interlocked.Increment(ref _number).ToString("D6", CultureInfo.InvariantCulture);
            request.Content = new StringContent(
                sent.Replace("{n}", number, StringComparison.Ordinal),
                new MediaTypeHeaderValue("application/json")
            );
        }

        if (input is { In: "header" })
        {
            request.Headers.TryAddWithoutValidation(input.Name, text);
        }

        var answer = await AnswerAsync(request, text);
        // Guesses are counted, whatever they are.
        return operation.Path is "/api/v1/sessions" or "/api/v1/setup" && answer.StartsWith("429", StringComparison.Ordinal)
            ? "401"
            : answer;
    }

    /// <returns>The status; of a list how long it is, of a refusal why.</returns>
    private async Task<string> AnswerAsync(HttpRequestMessage request, string text)
    {
        using var response = await api.Http.SendAsync(request, TestRun.Cancel);
        var (status, body) = ((int)response.StatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel));
        if (status is 401 || response.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) != true)
        {
            return $"{status}";
        }

        var json = JsonElement.Parse(body);
        if (json.ValueKind is not JsonValueKind.Object)
        {
            return $"{status}";
        }

        if (status < 400)
        {
            return json.TryGetProperty("data", out var data) && data.ValueKind is JsonValueKind.Array
                ? $"{status} {data.GetArrayLength()}"
                : $"{status}";
        }

        var error = json.TryGetProperty("error", out var inner) ? inner : json;
        var detail = error.TryGetProperty("detail", out var said) ? said.GetString()! : error.GetProperty("message").GetString()!;
        return $"{status} {error.GetProperty("code").GetString()} {AnyId().Replace(Shorten(detail, text), "ID")}";
    }

    /// <summary>What was said without what was sent, in whatever spelling.</summary>
    private static string Shorten(string detail, string text) =>
        text.Length == 0
            ? detail
            : detail
                .Replace(Written(text)[1..^1], "TEXT", StringComparison.Ordinal)
                .Replace(text, "TEXT", StringComparison.Ordinal)
                .Replace(Uri.EscapeDataString(text), "TEXT", StringComparison.Ordinal);

    private static string AddressOf(string path, Dictionary<string, string> planted) => AddressWith(path, planted, "", "");

    /// <summary>The address of what was planted, with a text in place of one of its names.</summary>
    private static string AddressWith(string path, Dictionary<string, string> planted, string parameter, string text)
    {
        var id =
            planted
                .Where(made => path.StartsWith("/api/v1" + made.Key + "/{", StringComparison.Ordinal))
                .OrderByDescending(made => made.Key.Length)
                .FirstOrDefault()
                .Value
            ?? "none";
        return ApiCalls.Fill(
            path,
            each =>
                each == $"{{{parameter}}}"
                    ? Uri.EscapeDataString(text)
                    : each switch
                    {
                        "{id}" or "{fingerprint}" => id,
                        "{version}" => "1",
                        "{label}" => "production",
                        // Neither is to be changed or deleted here.
                        "{slug}" or "{message}" => "nobody",
                        _ => PlantedTenant.Name,
                    }
        );
    }

    [GeneratedRegex("['\";=\\\\$()|%_{}]", RegexOptions.None, 1000)]
    private static partial Regex Meaningful();
}
