using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.OpenAiApi;

namespace AiBackend.Tests.Api;

/// <summary>A server that runs into a defect wherever it is asked: its tables are gone, and every statement fails as no endpoint expects.</summary>
public sealed partial class BrokenServerTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string BreakSql = """
        SET statement_timeout = '1min';
        DO $$ DECLARE t text; BEGIN
            FOR t IN SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
                        AND relname NOT IN ('api_keys', 'organisations', 'tenants', 'users', 'sessions', 'audit_log') LOOP
                EXECUTE format('DROP TABLE IF EXISTS %I CASCADE', t);
            END LOOP;
        END $$
        """;

    /// <summary>Bodies that pass every rule, so that the defect is met behind them.</summary>
    private static readonly Dictionary<string, string> Bodies = new(StringComparer.Ordinal)
    {
        ["/api/v1/jobs"] = ApiServer.Chat,
        ["/api/v1/conversations"] = "{}",
        ["/api/v1/budgets"] = """{"scope":"user","subject":"x","window":"day","limit_usd":1}""",
        ["/api/v1/webhooks"] = """{"url":"https://hooks.example.com/x"}""",
        ["/api/v1/prompts"] = """{"name":"n","template":{"messages":[{"role":"user","content":"x"}]}}""",
        ["/api/v1/dead-letters/discard"] = """{"filter":{"model":"none"}}""",
        ["/v1/chat/completions"] = OpenAiClientOf.Hello,
        ["/v1/responses"] = """{"model":"default","input":"Hello"}""",
        ["/v1/embeddings"] = """{"model":"sim-embed","input":"Hello"}""",
        ["/v1/batches"] =
            """{"input_file_id":"file-01900000000070008000000000000000","endpoint":"/v1/chat/completions","completion_window":"24h"}""",
    };

    [Fact]
    public async Task D_23_whatever_fails_says_a_stable_code_and_nothing_of_what_it_is_made_of()
    {
        await Eventually.TrueAsync(
            async token =>
            {
                // Again when it meets the server's own rounds crosswise, and Postgres ends this one.
                await using var command = api.Db.Source.CreateCommand(BreakSql);
                command.CommandTimeout = 60;
                await command.ExecuteNonQueryAsync(token);
                return true;
            },
            "the tables are gone",
            TimeSpan.FromSeconds(30)
        );

        var (native, compatible) = (0, 0);
        foreach (var (method, path) in Calls())
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            request.Headers.TryAddWithoutValidation("Idempotency-Key", method is "POST" ? $"{Guid.CreateVersion7()}" : null);
            request.Content = method is "GET" or "DELETE"
                ? null
                : new StringContent(Bodies.GetValueOrDefault(path, "{}"), Encoding.UTF8, "application/json");
            using var response = await api.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestRun.Cancel);
            if (response.IsSuccessStatusCode)
            {
                continue;
            }

            var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
            Assert.False(Inside().IsMatch(text), $"{method} {path}: {text}");
            if (response.StatusCode is not HttpStatusCode.InternalServerError)
            {
                continue;
            }

            if (path.StartsWith("/v1/", StringComparison.Ordinal))
            {
                var error = await OpenAiClientOf.ReadErrorAsync(response, HttpStatusCode.InternalServerError);
                Assert.Equal(
                    ("server_error", "internal_error"),
                    (error.GetProperty("type").GetString(), error.GetProperty("code").GetString())
                );
                compatible++;
            }
            else
            {
                var problem = await ApiServer.ReadProblemAsync(response);
                Assert.Equal(("/problems/internal-error", "internal_error"), (problem.Type, problem.Code));
                Assert.Equal(
                    ["type", "title", "status", "detail", "code", "trace_id"],
                    JsonElement.Parse(text).EnumerateObject().Select(member => member.Name)
                );
                native++;
            }
        }

        Assert.True(native > 40, $"{native} native answers were about the defect.");
        Assert.True(compatible > 6, $"{compatible} answers under /v1 were.");
    }

    /// <summary>Every method of every address, with ids that look like some.</summary>
    private IEnumerable<(string Method, string Path)> Calls() =>
        from call in api.Calls()
        where !call.IsOpen && !call.Pattern.StartsWith("/hubs", StringComparison.Ordinal)
        select (call.Method, ApiCalls.Fill(call.Pattern, parameter => IdFor(call.Pattern, parameter)));

    private static string IdFor(string pattern, string parameter) =>
        parameter is not "{id}" ? "none"
        : pattern.StartsWith("/v1/responses", StringComparison.Ordinal) ? "resp_01900000000070008000000000000000"
        : pattern.StartsWith("/v1/batches", StringComparison.Ordinal) ? "batch_01900000000070008000000000000000"
        : pattern.Contains("/files", StringComparison.Ordinal) ? "file-01900000000070008000000000000000"
        : pattern.Contains("/reviews", StringComparison.Ordinal) ? "01900000-0000-7000-8000-000000000000-1"
        : "01900000-0000-7000-8000-000000000000";

    /// <summary>What only a reader of the source knows: statements, tables, classes, files, addresses.</summary>
    [GeneratedRegex(
        @"Npgsql|42P01|relation|does not exist|SELECT|INSERT|\bFROM\b|\.cs\b|Exception|\bat AiBackend|/home/|/tmp/|Host=|127\.0\.0\.1",
        RegexOptions.None,
        1000
    )]
    private static partial Regex Inside();
}
