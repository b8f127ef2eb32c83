using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Reviews;
using AiBackend.Tests.Tenancy;

namespace AiBackend.Tests.Api;

/// <summary>Every address that takes a POST, with an Idempotency-Key: sent again it is answered as it was and changes nothing, with another body it is refused.</summary>
public sealed partial class EveryPostTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Boundary = "parts";

    /// <summary>What is proven where there is somebody who answers, or has nobody to whom a key could belong.</summary>
    private static readonly string[] Elsewhere =
    [
        // ChatCallTests, EmbeddingTests, ClientToolKillTests.
        "/v1/chat/completions",
        "/v1/embeddings",
        "/api/v1/jobs/{id}/tool-results",
        // RepeatedPostTests says why these have none.
        "/api/v1/sessions",
        "/api/v1/setup",
        "/api/v1/webhooks/inbound/{id}/messages",
    ];

    /// <summary>What is noted of requests, whatever they are.</summary>
    private static readonly string[] Notes = ["kept_answers", "idempotency_keys", "audit_log"];

    /// <summary>Who holds a batch that is open, and when a key was used, is noted all the time: of these rows are counted.</summary>
    private static readonly string[] Moving = ["api_keys", "batches"];

    /// <summary>Batches go on by themselves with what they were asked for: lines become jobs, and one that is cancelled ends.</summary>
    private const string AreBatchesDone = """
        SELECT NOT EXISTS (SELECT 1 FROM batches WHERE ended_at IS NULL AND (status = 0 OR cancelling_at IS NOT NULL))
           AND NOT EXISTS (SELECT 1 FROM batch_lines WHERE state = 0)
        """;

    [Fact]
    public async Task Every_POST_with_a_key_is_done_once_and_its_repeat_is_answered_as_it_was()
    {
        var posts = await PostsAsync();
        var all = api.Calls().Where(call => call.Method == "POST").Select(call => call.Pattern).ToHashSet(StringComparer.Ordinal);
        Assert.Equal(
            all.Except(Elsewhere).Order(StringComparer.Ordinal),
            posts.Select(post => post.Pattern).Distinct().Order(StringComparer.Ordinal)
        );

        var faults = new List<string>();
        foreach (var post in posts)
        {
            var key = Guid.CreateVersion7().ToString();
            var first = await SendAsync(post.Address, post.Body, key);
            await Eventually.TrueAsync(
                _ => PlantedTenant.ScalarAsync<bool>(api, AreBatchesDone),
                "batches have done what they were asked for"
            );
            var before = await StateAsync();
            var repeat = await SendAsync(post.Address, post.Body, key);
            var other = await SendAsync(post.Address, post.Other, key);
            var malformed = await SendAsync(post.Address, post.Body, "two words");
            var after = await StateAsync();

            Check(first is { Status: < HttpStatusCode.BadRequest, IsRepeat: false }, $"was answered {first}");
            Check(repeat == first with { IsRepeat = true }, $"was answered {first}, and its repeat {repeat}");
            Check(
                other.Status == HttpStatusCode.UnprocessableEntity
                    && other.Text.Contains("idempotency_key_reused", StringComparison.Ordinal),
                $"with another body was answered {other}"
            );
            Check(malformed.Status == HttpStatusCode.BadRequest, $"with a key that is none was answered {malformed}");
            Check(before == after, $"changed {string.Join(", ", after.Split('\n').Except(before.Split('\n')))} when it was repeated");

            void Check(bool holds, string what)
            {
                if (!holds)
                {
                    faults.Add($"{post.Pattern} {what}");
                }
            }
        }

        Assert.True(faults.Count == 0, string.Join('\n', faults));
    }

    /// <summary>Something that each of them can do now, in an order in which each is possible, and something else that it is not asked for.</summary>
    private async Task<List<Post>> PostsAsync()
    {
        var planted = (await PlantedTenant.AddAsync(api, api.Key, "planted")).Ids;
        await Eventually.TrueAsync(
            async _ => await PlantedTenant.ScalarAsync<bool>(api, "SELECT EXISTS (SELECT 1 FROM batch_lines WHERE state = 1)"),
            "the line of the batch is a job"
        );
        var core = await api.WorkerAsync();
        var (review, good, bad) = ((await OpenReview.AddAsync(api)).Id, await OpenReview.AddAsync(api), await OpenReview.AddAsync(api));
        await MakeAsync(HttpMethod.Put, "/api/v1/workflows/waits", """{"steps":[{"name":"paid","type":"event"}]}""");
        var run = await MakeAsync(HttpMethod.Post, "/api/v1/workflows/waits/runs", "{}");
        await PlantedTenant.ScalarAsync<int>(
            api,
            """
            INSERT INTO workflow_steps (run_id, name, tenant_id, state, type, started_at, due_at)
            SELECT id, 'paid', tenant_id, 1, 'event', now(), now() + interval '1 hour' FROM jobs WHERE id = $1 RETURNING 1
            """,
            Guid.Parse(run)
        );
        await MakeAsync(HttpMethod.Post, "/api/v1/tenants", """{"slug":"leaver","organisation":"default"}""");
        await MakeAsync(
            HttpMethod.Post,
            "/api/v1/prompts/planted/versions",
            """{"template":{"messages":[{"role":"user","content":"2"}]}}"""
        );
        await MakeAsync(HttpMethod.Put, "/api/v1/prompts/planted/labels/production", """{"version":2}""");
        var hook = planted["/webhooks"];
        var message = JsonElement
            .Parse(await api.Http.GetStringAsync($"/api/v1/webhooks/{hook}/deliveries", TestRun.Cancel))
            .GetProperty("data")[0]
            .GetProperty("id")
            .GetString()!;
        await PlantedTenant.ScalarAsync<int>(
            api,
            "UPDATE webhook_deliveries SET state = 2, tries = 10, ended_at = now() WHERE id = $1 RETURNING 1",
            Guid.ParseExact(message["msg_".Length..], "N")
        );
        // Nobody leads here, so that it goes on until it is cancelled.
        var bulk = await MakeAsync(HttpMethod.Post, "/api/v1/dead-letters/discard", $$"""{"ids":["{{await core.DieAsync()}}"]}""");
        const string Control = """{"kind":"queue","name":"default","reason":"a test"}""";
        const string Chat = ApiServer.Chat;
        return
        [
            new("/api/v1/jobs", Chat, Chat.Replace("Hello", "Bye", StringComparison.Ordinal)),
            new("/api/v1/jobs/{id}/cancel", null, Id: (await api.SubmitAsync()).Id.ToString()),
            new("/api/v1/jobs/{id}/stream-tickets", null, Id: planted["/jobs"]),
            // One that is no dead letter: such a one is replayed once, whatever is asked for.
            new("/api/v1/jobs/{id}/replay", "{}", """{"model":"sim"}""", planted["/jobs"]),
            new("/api/v1/jobs/{id}/discard", null, Id: (await core.DieAsync()).ToString()),
            new("/api/v1/jobs/{id}/events", """{"name":"paid","data":1}""", Id: run),
            new("/api/v1/contracts/check", """{"contract":{"schema":{"type":"object"}},"text":"{}"}"""),
            new("/api/v1/conversations", "{}"),
            new("/api/v1/conversations/{id}/branch", """{"title":"b"}""", Id: planted["/conversations"]),
            new("/api/v1/conversations/{id}/messages", """{"messages":[{"role":"user","content":"x"}]}""", Id: planted["/conversations"]),
            new("/api/v1/dead-letters/replay", """{"filter":{"model":"a"}}""", """{"filter":{"model":"b"}}"""),
            new("/api/v1/dead-letters/discard", """{"filter":{"model":"a"}}""", """{"filter":{"model":"b"}}"""),
            new("/api/v1/bulk/{id}/cancel", null, Id: bulk),
            new("/api/v1/files", "text", "other text"),
            new("/api/v1/keys", """{"name":"k","scopes":["jobs:read"]}"""),
            new("/api/v1/keys/{id}/roll", null, Id: planted["/keys"]),
            new("/api/v1/knowledge/{collection}/search", """{"query":"planted"}""", Id: PlantedTenant.Name),
            new("/api/v1/budgets", """{"scope":"feature","subject":"f","window":"day","limit_usd":1}"""),
            new("/api/v1/alerts/{id}/acknowledge", null, Id: planted["/alerts"]),
            new("/api/v1/providers/{name}/enable", null, Id: "simulator"),
            new("/api/v1/queues/pause", Control),
            new("/api/v1/queues/drain", Control),
            new("/api/v1/queues/resume", Control),
            new("/api/v1/prompts", Prompt("new"), Prompt("newer")),
            new(
                "/api/v1/prompts/{name}/versions",
                """{"template":{"messages":[{"role":"user","content":"3"}]}}""",
                """{"template":{"messages":[{"role":"user","content":"4"}]}}""",
                PlantedTenant.Name
            ),
            new("/api/v1/prompts/{name}/labels/{label}/rollback", null, Id: PlantedTenant.Name),
            new("/api/v1/reviews/{id}/claim", null, Id: review),
            new("/api/v1/reviews/{id}/release", null, Id: review),
            new("/api/v1/reviews/{id}/approve", $$"""{"version":{{good.Version}},"text":"{\"total\":1}"}""", Id: good.Id),
            new("/api/v1/reviews/{id}/reject", $$"""{"version":{{bad.Version}}}""", Id: bad.Id),
            new("/api/v1/organisations", """{"slug":"corp"}"""),
            new("/api/v1/tenants", """{"slug":"acme","organisation":"default"}"""),
            new("/api/v1/tenants/{slug}/deletion", """{"confirm":"leaver","reason":"x"}""", Id: "leaver"),
            new("/api/v1/users", """{"email":"a@example.com","role":"viewer","password":"a long password"}"""),
            new("/api/v1/webhooks", """{"url":"https://hooks.example.com/x"}"""),
            new("/api/v1/webhooks/{id}/rotate", null, Id: hook),
            new("/api/v1/webhooks/{id}/test", null, Id: hook),
            new("/api/v1/webhooks/{id}/deliveries/{message}/resend", null, Id: hook, Second: message),
            new("/api/v1/webhooks/inbound", """{"name":"n","template":{"prompt":"x"}}"""),
            new("/api/v1/webhooks/inbound/{id}/rotate", null, Id: planted["/webhooks/inbound"]),
            new("/api/v1/workflows/{name}/runs", """{"input":{"a":1}}""", """{"input":{"a":2}}""", "waits"),
            new("/v1/responses", """{"model":"sim","background":true,"input":"1"}""", """{"model":"sim","background":true,"input":"2"}"""),
            new("/v1/responses/{id}/cancel", null, Id: planted["/responses"]),
            new("/v1/files", "text", "other text"),
            new("/v1/batches", Batch("1"), Batch("2")),
            new("/v1/batches/{id}/cancel", null, Id: planted["/batches"]),
        ];

        static string Prompt(string name) => $$$"""{"name":"{{{name}}}","template":{"messages":[{"role":"user","content":"1"}]} }""";

        string Batch(string metadata) =>
            JsonSerializer.Serialize(
                new
                {
                    input_file_id = planted["/lines"],
                    endpoint = "/v1/chat/completions",
                    completion_window = "24h",
                    metadata = new { metadata },
                }
            );
    }

    private async Task<string> MakeAsync(HttpMethod method, string path, string body)
    {
        var (status, made) = await KeyApiTests.SendAsync(api.Http, method, path, body);
        Assert.True(status < HttpStatusCode.BadRequest, $"{path}: {made}");
        return made.TryGetProperty("id", out var id) ? id.GetString()! : "";
    }

    private async Task<Answer> SendAsync(string address, string? body, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, address);
        request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        request.Content =
            body is null ? null
            : address.EndsWith("/files", StringComparison.Ordinal) ? FormOf(body, address.StartsWith("/v1", StringComparison.Ordinal))
            : new StringContent(body, new MediaTypeHeaderValue("application/json"));
        using var response = await api.Http.SendAsync(request, TestRun.Cancel);
        return new(
            response.StatusCode,
            await response.Content.ReadAsStringAsync(TestRun.Cancel),
            response.Headers.Location?.ToString(),
            response.Headers.Contains("Idempotent-Replayed")
        );
    }

    private static MultipartFormDataContent FormOf(string text, bool hasPurpose)
    {
        var form = new MultipartFormDataContent(Boundary) { { new StringContent(text), "file", "a.txt" } };
        if (hasPurpose)
        {
            form.Add(new StringContent("user_data"), "purpose");
        }

        return form;
    }

    /// <summary>How many rows each table has, and what is in those that nothing but a request changes.</summary>
    private async Task<string> StateAsync()
    {
        var tables = new List<string>();
        await using var find = api.Db.Source.CreateCommand(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
        );
        await using (var rows = await find.ExecuteReaderAsync(TestRun.Cancel))
        {
            while (await rows.ReadAsync(TestRun.Cancel))
            {
                tables.Add(rows.GetString(0));
            }
        }

        var state = new StringBuilder();
        foreach (var table in tables.Except(Notes))
        {
            var content = Moving.Contains(table) ? "0" : $"coalesce(sum(hashtextextended({table}::text, 0)), 0)";
#pragma warning disable CA2100 // Names of the schema.
            await using var command = api.Db.Source.CreateCommand($"SELECT count(*) || ' ' || {content} FROM {table}");
#pragma warning restore CA2100
            state.Append($"{table} {await command.ExecuteScalarAsync(TestRun.Cancel)}\n");
        }

        return state.ToString();
    }

    /// <summary>What is sent, and what is sent with the same key and means something else.</summary>
    /// <param name="Pattern">The address as it is mapped.</param>
    /// <param name="Body">Null for none; of a file its text.</param>
    /// <param name="Other">Where the endpoint reads the key itself, something that it would take.</param>
    /// <param name="Id">What the address names first.</param>
    /// <param name="Second">What it names next.</param>
    private sealed record Post(string Pattern, string? Body, string Other = """{"other":1}""", string? Id = null, string? Second = null)
    {
        public string Address =>
            Parameter()
                .Replace(
                    Pattern,
                    match =>
                        match.Value is "{label}" ? "production"
                        : match.Value is "{message}" ? Second!
                        : Id!
                );
    }

    private sealed record Answer(HttpStatusCode Status, string Text, string? Location, bool IsRepeat);

    [GeneratedRegex(@"\{\w+\}", RegexOptions.None, 1000)]
    private static partial Regex Parameter();
}
