using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi.Batches;

/// <summary>Batches: lines of a file become jobs, each once, and files say what became of them.</summary>
public sealed partial class BatchTests(BatchApi api) : IClassFixture<BatchApi>
{
    private const string Chat = """{"model":"default","messages":[{"role":"user","content":"Hi"}]}""";

    [Theory]
    [InlineData("{\"custom_id\":\"1\",\"method\":\"GET\",\"url\":\"/v1/chat/completions\",\"body\":{}}", "invalid_method", 1)]
    [InlineData("OK1\n{\"custom_id\":\"2\"\nOK3", "invalid_json_line", 2)]
    [InlineData(
        "OK1\n{\"custom_id\":\"a\\u0000\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{}}",
        "invalid_custom_id",
        2
    )]
    [InlineData("OK1\nOK2\nOK1", "duplicate_custom_id", 3)]
    [InlineData("OK1\n{\"custom_id\":\"2\",\"method\":\"POST\",\"url\":\"/v1/responses\",\"body\":{}}", "mismatched_url", 2)]
    [InlineData("OK1\n\nOK3", "invalid_json_line", 2)]
    [InlineData("{\"custom_id\":\"1\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":[]}", "missing_required_parameter", 1)]
    [InlineData(
        "{\"custom_id\":\"1\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{},\"headers\":{}}",
        "unknown_parameter",
        1
    )]
    [InlineData("{\"custom_id\":\"1\",\"custom_id\":\"2\"}", "invalid_json_line", 1)]
    [InlineData("OK1\nLONG", "line_too_long", 2)]
    public async Task A_43_a_line_that_is_none_fails_the_batch_with_its_number_and_nothing_of_it_is_done(
        string lines,
        string code,
        int line
    )
    {
        var http = await TenantAsync();
        var text = lines.Replace("LONG", $"{{\"custom_id\":\"{new string('x', 3 << 20)}", StringComparison.Ordinal);
        for (var i = 1; i <= 3; i++)
        {
            text = text.Replace($"OK{i}", Line($"{i}"), StringComparison.Ordinal);
        }

        var batch = await UntilAsync(http, await CreateAsync(http, text), "failed");

        var fault = batch.GetProperty("errors").GetProperty("data")[0];
        Assert.Equal((code, line), (Text(fault, "code"), fault.GetProperty("line").GetInt32()));
        Assert.Equal(0L, await CountAsync(batch, "job_id IS NOT NULL"));
    }

    [Fact]
    public async Task A_43_more_lines_than_are_taken_fail_the_batch()
    {
        var http = await TenantAsync();
        var text = new StringBuilder();
        for (var i = 0; i < 50_001; i++)
        {
            text.Append(Line($"{i}", "{}")).Append('\n');
        }

        var batch = await UntilAsync(http, await CreateAsync(http, text.ToString()), "failed");

        var fault = batch.GetProperty("errors").GetProperty("data")[0];
        Assert.Equal(("too_many_lines", 50_001), (Text(fault, "code"), fault.GetProperty("line").GetInt32()));
    }

    [Fact]
    public async Task A_37_lines_become_jobs_of_the_least_priority_and_those_that_are_refused_say_why()
    {
        var http = await TenantAsync();
        var text = string.Join(
            '\n',
            Line("good"),
            Line("forbidden", """{"model":"default","messages":[{"role":"user","content":"Hi","x":{"base_url":"http://evil"}}]}"""),
            Line("stream", """{"model":"default","stream":true,"messages":[{"role":"user","content":"Hi"}]}"""),
            Line("unknown", """{"model":"gpt-none","messages":[{"role":"user","content":"Hi"}]}"""),
            ""
        );

        var id = await CreateAsync(http, text, """{"kind":"nightly"}""");
        var job = Assert.Single(await JobsAsync(id, 1));
        var made = await ReadAsync(await http.GetAsync($"/api/v1/jobs/{job}", TestRun.Cancel));
        await AnswerAsync(job, "An answer.");
        var batch = await UntilAsync(http, id, "completed");

        Assert.Equal("batch", Text(made, "priority"));
        Assert.Equal(batch.GetProperty("expires_at").GetInt64(), made.GetProperty("deadline").GetDateTimeOffset().ToUnixTimeSeconds());
        Assert.Equal("nightly", Text(batch.GetProperty("metadata"), "kind"));
        Assert.Equal("""{"total":4,"completed":1,"failed":3}""", batch.GetProperty("request_counts").GetRawText());
        var answer = Assert.Single(await LinesAsync(http, batch, "output_file_id"));
        Assert.Equal(("good", 200), (Text(answer, "custom_id"), answer.GetProperty("response").GetProperty("status_code").GetInt32()));
        var body = answer.GetProperty("response").GetProperty("body");
        Assert.Equal("An answer.", Text(body.GetProperty("choices")[0].GetProperty("message"), "content"));
        var errors = (await LinesAsync(http, batch, "error_file_id")).ToDictionary(
            each => Text(each, "custom_id")!,
            each => Text(each.GetProperty("response").GetProperty("body").GetProperty("error"), "code"),
            StringComparer.Ordinal
        );
        Assert.Equal(
            ("forbidden_member", "unsupported_parameter", "model_not_found"),
            (errors["forbidden"], errors["stream"], errors["unknown"])
        );
    }

    [Fact]
    public async Task A_line_whose_job_was_deleted_is_an_error_and_the_batch_ends()
    {
        var http = await TenantAsync();
        var id = await CreateAsync(http, Line("gone"));
        await using var delete = api.Db.Source.CreateCommand("DELETE FROM jobs WHERE id = $1");
        delete.Parameters.Add(new() { Value = Assert.Single(await JobsAsync(id, 1)) });

        await delete.ExecuteNonQueryAsync(TestRun.Cancel);

        var batch = await UntilAsync(http, id, "completed");
        Assert.Equal("""{"total":1,"completed":0,"failed":1}""", batch.GetProperty("request_counts").GetRawText());
        Assert.Equal("gone", Text(Assert.Single(await LinesAsync(http, batch, "error_file_id")), "custom_id"));
    }

    [Fact]
    public async Task Responses_are_answered_too()
    {
        var http = await TenantAsync();
        var line = """{"custom_id":"r","method":"POST","url":"/v1/responses","body":{"model":"default","input":"Hi"}}""";

        var id = await CreateAsync(http, line, endpoint: "/v1/responses");
        await AnswerAsync(Assert.Single(await JobsAsync(id, 1)), "An answer.");
        var batch = await UntilAsync(http, id, "completed");

        var body = Assert.Single(await LinesAsync(http, batch, "output_file_id")).GetProperty("response").GetProperty("body");
        Assert.Equal(("response", "completed"), (Text(body, "object"), Text(body, "status")));
        Assert.Equal("An answer.", Text(body.GetProperty("output")[0].GetProperty("content")[0], "text"));
        Assert.Equal(JsonValueKind.Null, batch.GetProperty("error_file_id").ValueKind);
    }

    [Fact]
    public async Task K3_what_was_handed_over_and_not_noted_when_its_server_died_is_found_and_not_done_twice()
    {
        const int Lines = 120;
        var http = await TenantAsync();
        var id = await CreateAsync(http, string.Join('\n', Enumerable.Range(1, Lines).Select(i => Line($"{i}"))));
        var before = await JobsAsync(id, Lines);

        // As whoever follows finds it: the jobs are there, and the lines do not know.
        await ExecuteAsync(
            $"UPDATE batch_lines SET state = 0, job_id = NULL WHERE batch_id = '{GuidOf(id)}' AND line % 2 = 0; UPDATE batches SET holder = NULL WHERE id = '{GuidOf(id)}'"
        );
        var after = await JobsAsync(id, Lines);

        Assert.Equal(before, after);
        Assert.Equal(
            (long)Lines,
            await ScalarAsync($"SELECT count(*) FROM jobs WHERE tenant_id = (SELECT tenant_id FROM batches WHERE id = '{GuidOf(id)}')")
        );
    }

    [Fact]
    public async Task Another_server_goes_on_with_a_batch_whose_server_is_gone_and_who_held_it_changes_nothing_any_more()
    {
        var http = await TenantAsync();
        var id = await CreateAsync(http, Line("1"));
        var job = Assert.Single(await JobsAsync(id, 1));
        await ExecuteAsync(
            $"UPDATE batches SET holder = gen_random_uuid(), held_until = now() + interval '1 hour' WHERE id = '{GuidOf(id)}'"
        );

        await AnswerAsync(job, "An answer.");
        // Several rounds of others.
        await UntilAsync(http, await CreateAsync(http, "{"), "failed");
        var held = await ReadAsync(await http.GetAsync($"/v1/batches/{id}", TestRun.Cancel));
        await ExecuteAsync($"UPDATE batches SET held_until = now() WHERE id = '{GuidOf(id)}'");

        Assert.Equal("in_progress", Text(held, "status"));
        await UntilAsync(http, id, "completed");
    }

    [Fact]
    public async Task When_the_window_is_over_what_was_answered_is_kept_and_the_rest_has_expired()
    {
        // Two of three are handed over: the key allows no more for now, and that fails nothing.
        var http = await LimitedAsync(2);
        var id = await CreateAsync(http, string.Join('\n', Line("1"), Line("2"), Line("3")));
        var jobs = await JobsAsync(id, 2);
        await AnswerAsync(jobs[0], "An answer.");

        await ExecuteAsync(
            $"UPDATE jobs SET deadline = now() WHERE id = '{jobs[1]}'; UPDATE batches SET window_ends_at = now() WHERE id = '{GuidOf(id)}'"
        );
        await (await api.WorkerAsync()).Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);
        var batch = await UntilAsync(http, id, "expired");

        Assert.Equal("1", Text(Assert.Single(await LinesAsync(http, batch, "output_file_id")), "custom_id"));
        var missed = await LinesAsync(http, batch, "error_file_id");
        Assert.Equal(["2", "3"], missed.Select(each => Text(each, "custom_id")));
        Assert.All(missed, each => Assert.Equal("batch_expired", Text(each.GetProperty("error"), "code")));
        Assert.Equal("""{"total":3,"completed":1,"failed":2}""", batch.GetProperty("request_counts").GetRawText());
    }

    [Fact]
    public async Task A_batch_that_is_cancelled_hands_over_no_more_and_keeps_what_was_answered()
    {
        var http = await LimitedAsync(2);
        var id = await CreateAsync(http, string.Join('\n', Line("1"), Line("2"), Line("3")));
        var jobs = await JobsAsync(id, 2);
        await AnswerAsync(jobs[0], "An answer.");

        var cancelling = await ReadAsync(await http.PostAsync($"/v1/batches/{id}/cancel", null, TestRun.Cancel));
        var batch = await UntilAsync(http, id, "cancelled");
        using var again = await http.PostAsync($"/v1/batches/{id}/cancel", null, TestRun.Cancel);

        Assert.Equal("cancelling", Text(cancelling, "status"));
        Assert.Equal("cancelled", Text(await ReadAsync(await http.GetAsync($"/api/v1/jobs/{jobs[1]}", TestRun.Cancel)), "status"));
        Assert.Single(await LinesAsync(http, batch, "output_file_id"));
        Assert.All(
            await LinesAsync(http, batch, "error_file_id"),
            each => Assert.Equal("batch_cancelled", Text(each.GetProperty("error"), "code"))
        );
        Assert.True(again.IsSuccessStatusCode, "twice is once");
    }

    [Fact]
    public async Task A_batch_is_its_tenants_alone_listed_in_pages_and_its_file_stays_until_it_has_ended()
    {
        var http = await TenantAsync();
        var first = await CreateAsync(http, Line("1"));
        var second = await CreateAsync(http, Line("1"));
        var stranger = await TenantAsync();

        var page = await ReadAsync(await http.GetAsync("/v1/batches?limit=1", TestRun.Cancel));
        var rest = await ReadAsync(await http.GetAsync($"/v1/batches?limit=1&after={second}", TestRun.Cancel));
        var file = Text(page.GetProperty("data")[0], "input_file_id");
        using var used = await http.DeleteAsync($"/v1/files/{file}", TestRun.Cancel);

        Assert.Equal((second, true), (Text(page.GetProperty("data")[0], "id"), page.GetProperty("has_more").GetBoolean()));
        Assert.Equal((first, false), (Text(rest.GetProperty("data")[0], "id"), rest.GetProperty("has_more").GetBoolean()));
        Assert.Equal("file_in_use", Text(await ReadErrorAsync(used, HttpStatusCode.Conflict), "code"));
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.GetAsync($"/v1/batches/{first}", TestRun.Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.PostAsync($"/v1/batches/{first}/cancel", null, TestRun.Cancel)).StatusCode);
        using var foreign = await PostAsync(
            stranger,
            $$"""{"input_file_id":"{{file}}","endpoint":"/v1/chat/completions","completion_window":"24h"}"""
        );
        Assert.Equal("input_file_id", Text(await ReadErrorAsync(foreign, HttpStatusCode.BadRequest), "param"));
    }

    [Theory]
    [InlineData("""{"endpoint":"/v1/chat/completions","completion_window":"24h"}""", "input_file_id")]
    [InlineData("""{"input_file_id":"x","endpoint":"/v1/embeddings","completion_window":"24h"}""", "endpoint")]
    [InlineData("""{"input_file_id":"x","endpoint":"/v1/chat/completions","completion_window":"1h"}""", "completion_window")]
    [InlineData(
        """{"input_file_id":"x","endpoint":"/v1/chat/completions","completion_window":"24h","output_expires_after":{}}""",
        "output_expires_after"
    )]
    [InlineData(
        """{"input_file_id":"x","endpoint":"/v1/chat/completions","completion_window":"24h","metadata":{"endpoint":"x"}}""",
        "metadata.endpoint"
    )]
    [InlineData("""{"input_file_id":"x","endpoint":"/v1/chat/completions","completion_window":"24h"}""", "input_file_id")]
    public async Task What_is_wrong_with_a_request_is_said_by_name(string body, string param)
    {
        using var response = await PostAsync(await TenantAsync(), body);

        Assert.Equal(param, Text(await ReadErrorAsync(response, HttpStatusCode.BadRequest), "param"));
    }
}
