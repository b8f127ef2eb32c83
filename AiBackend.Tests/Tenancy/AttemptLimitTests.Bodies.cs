using System.Net;
using System.Net.Http.Headers;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.OpenAiApi;

namespace AiBackend.Tests.Tenancy;

// Ids inside bodies, and in lines of batches.
public sealed partial class AttemptLimitTests
{
    [Fact]
    public async Task A_6_guessing_ids_inside_bodies_is_throttled_as_in_addresses()
    {
        await using var api = new GuessedServer(postgres);
        await api.InitializeAsync();
        using var workflow = Json("""{"steps":[{"name":"out","type":"transform","value":1}]}""");
        using var put = await api.Http.PutAsync("/api/v1/workflows/again", workflow, TestRun.Cancel);
        put.EnsureSuccessStatusCode();
        var id = Guid.CreateVersion7();
        (string Path, string Body)[] calls =
        [
            ("/v1/responses", $$"""{"model":"sim","background":true,"input":"x","previous_response_id":"resp_{{id:N}}"}"""),
            ("/v1/responses", $$"""{"model":"sim","background":true,"input":"x","conversation":"{{id}}"}"""),
            (
                "/v1/responses",
                $$$"""{"model":"sim","background":true,"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-{{{id:N}}}"}]}]}"""
            ),
            (
                "/v1/responses",
                $$$"""{"model":"sim","background":true,"input":[{"role":"user","content":[{"type":"input_image","file_id":"file-{{{id:N}}}"}]}]}"""
            ),
            (
                "/v1/chat/completions",
                $$$"""{"model":"sim","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-{{{id:N}}}"}}]}]}"""
            ),
            ("/v1/batches", $$"""{"input_file_id":"file-{{id:N}}","endpoint":"/v1/chat/completions","completion_window":"24h"}"""),
            ("/api/v1/jobs", ChatWith($$$"""  "attachments":[{"file":"{{{id}}}"}] """)),
            ("/api/v1/jobs", ChatWith($$$"""  "conversation":{"id":"{{{id}}}"} """)),
            ("/api/v1/workflows/again/runs", $$$"""{"rerun":{"run":"{{{id}}}","from":"out"}}"""),
        ];

        foreach (var (path, body) in calls)
        {
            using var guesser = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*"));
            var answers = new List<(HttpStatusCode Status, string Body)>();
            for (var i = 0; i < Most + 2; i++)
            {
                using var response = await guesser.PostAsync(path, Json(body), TestRun.Cancel);
                answers.Add((response.StatusCode, await response.Content.ReadAsStringAsync(TestRun.Cancel)));
            }

            Assert.All(
                answers.Take(Most),
                answer =>
                {
                    Assert.True(
                        answer.Status is HttpStatusCode.BadRequest or HttpStatusCode.NotFound or HttpStatusCode.UnprocessableEntity,
                        $"{body}: {answer}"
                    );
                    // What is wrong is the id.
                    Assert.Contains($"{id:N}", answer.Body.Replace("-", "", StringComparison.Ordinal), StringComparison.Ordinal);
                }
            );
            Assert.All(
                answers.Skip(Most),
                answer =>
                {
                    Assert.True(answer.Status == HttpStatusCode.TooManyRequests, $"{body}: {answer}");
                    Assert.Contains("too_many_attempts", answer.Body, StringComparison.Ordinal);
                }
            );
        }

        // What else is wrong with a body is no guess.
        using var mistaken = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*"));
        for (var i = 0; i < Most + 2; i++)
        {
            using var response = await mistaken.PostAsync("/v1/responses", Json("""{"model":"none","input":"x"}"""), TestRun.Cancel);
            Assert.NotEqual(HttpStatusCode.TooManyRequests, response.StatusCode);
        }
    }

    [Fact]
    public async Task A_6_who_mistakes_a_run_of_another_workflow_has_guessed_at_nothing()
    {
        await using var api = new GuessedServer(postgres);
        await api.InitializeAsync();
        foreach (var name in (string[])["one", "other"])
        {
            using var workflow = Json("""{"steps":[{"name":"out","type":"transform","value":1}]}""");
            using var put = await api.Http.PutAsync($"/api/v1/workflows/{name}", workflow, TestRun.Cancel);
            put.EnsureSuccessStatusCode();
        }

        using var begun = await api.Http.PostAsync("/api/v1/workflows/one/runs", Json("{}"), TestRun.Cancel);
        var run = (await OpenAiClientOf.ReadAsync(begun)).GetProperty("id").GetGuid();

        for (var i = 0; i < Most + 2; i++)
        {
            using var refused = await api.Http.PostAsync(
                "/api/v1/workflows/other/runs",
                Json($$$"""{"rerun":{"run":"{{{run}}}","from":"out"}}"""),
                TestRun.Cancel
            );
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        }
    }

    [Fact]
    public async Task A_6_a_batch_makes_no_more_guesses_than_other_requests_of_its_key()
    {
        await using var api = new GuessedServer(postgres);
        await api.InitializeAsync();
        var batch = await BeginBatchAsync(api, [.. Enumerable.Range(0, 3 * Most).Select(Guess)]);

        await Eventually.TrueAsync(async token => await FailedAsync(api, batch, token) >= Most, "the first lines are answered");

        // The key has none left, and the other lines wait for the next minute.
        using var next = await api.Http.GetAsync($"/v1/responses/resp_{Guid.CreateVersion7():N}", TestRun.Cancel);
        Assert.Equal(HttpStatusCode.TooManyRequests, next.StatusCode);
        Assert.Equal(Most, await FailedAsync(api, batch, TestRun.Cancel));
    }

    [Theory]
    [InlineData(60)] // More than are looked at together,
    [InlineData(260)] // and than in one round.
    public async Task A_6_lines_of_a_batch_that_wait_because_they_guess_keep_no_good_line_back(int guesses)
    {
        await using var api = new GuessedServer(postgres);
        await api.InitializeAsync();
        var good = Line("good", """{"model":"sim","input":"x"}""");
        var batch = await BeginBatchAsync(api, [.. Enumerable.Range(0, guesses).Select(Guess), good]);

        await Eventually.TrueAsync(
            async token =>
            {
                await using var command = api.Db.Source.CreateCommand(
                    "SELECT 1 FROM batch_lines WHERE custom_id = 'good' AND job_id IS NOT NULL"
                );
                return await command.ExecuteScalarAsync(token) is not null;
            },
            "the good line is a job",
            TimeSpan.FromSeconds(60)
        );

        Assert.Equal(Most, await FailedAsync(api, batch, TestRun.Cancel));
    }

    private static string Guess(int number) =>
        Line($"{number}", $$"""{"model":"sim","input":"x","previous_response_id":"resp_{{Guid.CreateVersion7():N}}"}""");

    private static string Line(string id, string body) =>
        $$"""{"custom_id":"{{id}}","method":"POST","url":"/v1/responses","body":{{body}}}""";

    private static async Task<string> BeginBatchAsync(ApiServer api, IReadOnlyList<string> lines)
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("batch"), "purpose" },
            { new StringContent(string.Join('\n', lines)), "file", "a.jsonl" },
        };
        using var uploaded = await api.Http.PostAsync("/v1/files", form, TestRun.Cancel);
        var file = (await OpenAiClientOf.ReadAsync(uploaded)).GetProperty("id").GetString();
        using var begun = await api.Http.PostAsync(
            "/v1/batches",
            Json($$"""{"input_file_id":"{{file}}","endpoint":"/v1/responses","completion_window":"24h"}"""),
            TestRun.Cancel
        );
        return (await OpenAiClientOf.ReadAsync(begun)).GetProperty("id").GetString()!;
    }

    private static async Task<int> FailedAsync(ApiServer api, string batch, CancellationToken cancellationToken)
    {
        using var read = await api.Http.GetAsync($"/v1/batches/{batch}", cancellationToken);
        return (await OpenAiClientOf.ReadAsync(read)).GetProperty("request_counts").GetProperty("failed").GetInt32();
    }

    private static StringContent Json(string body) => new(body, new MediaTypeHeaderValue("application/json"));

    private static string ChatWith(string member) =>
        $$$"""{"type":"chat","input":{"messages":[{"role":"user","content":"Hi"}]},{{{member}}}}""";
}
