using System.Net;
using AiBackend.Core.Files;
using AiBackend.Tests.Fixtures;
using Npgsql;
using static AiBackend.Tests.OpenAiApi.OpenAiClientOf;

namespace AiBackend.Tests.OpenAiApi.Batches;

// What is made once whatever happens in between, and what one tenant may take.
public sealed partial class BatchTests
{
    [Theory]
    [InlineData("UPDATE batches SET status = 3, cancelling_at = now()", "cancelled", "cancelled")]
    [InlineData("UPDATE batches SET window_ends_at = now()", "completed", "completed")]
    [InlineData(
        "DELETE FROM files WHERE tenant_id = (SELECT tenant_id FROM batches WHERE id = '{0}'); UPDATE batches SET lines = lines",
        "completed",
        "completed"
    )]
    public async Task K3_a_line_that_is_given_up_takes_along_the_job_that_was_handed_over_and_not_noted(
        string how,
        string batchEnd,
        string jobEnd
    )
    {
        var http = await TenantAsync();
        var id = await CreateAsync(http, string.Join('\n', Line("1"), Line("2")));
        var jobs = await JobsAsync(id, 2);

        // As whoever follows finds it, and before it can hand them over again.
        await ExecuteAsync(
            $"{how.Replace("{0}", $"{GuidOf(id)}", StringComparison.Ordinal)} WHERE id = '{GuidOf(id)}'; UPDATE batch_lines SET state = 0, job_id = NULL WHERE batch_id = '{GuidOf(id)}'"
        );
        Assert.Equal(jobs, await JobsAsync(id, 2));
        if (jobEnd == "completed")
        {
            await AnswerAsync(jobs[0], "An answer.");
            await AnswerAsync(jobs[1], "An answer.");
        }

        await UntilAsync(http, id, batchEnd);
        foreach (var job in jobs)
        {
            Assert.Equal(jobEnd, Text(await ReadAsync(await http.GetAsync($"/api/v1/jobs/{job}", TestRun.Cancel)), "status"));
        }
    }

    [Fact]
    public async Task I_3_the_same_key_makes_one_batch_and_one_file_though_the_answer_could_not_be_kept_at_first()
    {
        var http = await TenantAsync();
        await ExecuteAsync(
            """
            CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'as if its server had died here'; END $$;
            CREATE TRIGGER die BEFORE UPDATE ON kept_answers FOR EACH ROW WHEN (NEW.answered_at IS NOT NULL) EXECUTE FUNCTION die();
            """
        );
        http.DefaultRequestHeaders.Add("Idempotency-Key", "k");
        using var noFile = await UploadAsync(http, Line("1"));
        Assert.Equal(HttpStatusCode.InternalServerError, noFile.StatusCode);
        await ExecuteAsync("ALTER TABLE kept_answers DISABLE TRIGGER die");
        var file = Text(await ReadAsync(await UploadAsync(http, Line("1"))), "id");
        await ExecuteAsync("ALTER TABLE kept_answers ENABLE TRIGGER die");
        using var noBatch = await PostAsync(http, Of(file));
        Assert.Equal(HttpStatusCode.InternalServerError, noBatch.StatusCode);
        await ExecuteAsync("DROP TRIGGER die ON kept_answers; DROP FUNCTION die");

        var made = await ReadAsync(await PostAsync(http, Of(file)));
        var again = await ReadAsync(await PostAsync(http, Of(file)));

        Assert.Equal(Text(made, "id"), Text(again, "id"));
        Assert.Equal(1, (await ReadAsync(await http.GetAsync("/v1/batches", TestRun.Cancel))).GetProperty("data").GetArrayLength());
        Assert.Equal(1, (await ReadAsync(await http.GetAsync("/v1/files", TestRun.Cancel))).GetProperty("data").GetArrayLength());
    }

    [Fact]
    public async Task D_9_a_tenant_has_so_many_batches_that_have_not_ended_and_not_one_more()
    {
        var http = await TenantAsync();
        var file = Text(await ReadAsync(await UploadAsync(http, Line("1"))), "id");
        var first = Text(await ReadAsync(await PostAsync(http, Of(file))), "id")!;
        // Of another server, so that they stay as they are.
        await ExecuteAsync(
            $"""
            INSERT INTO batches (id, tenant_id, key_id, endpoint, input_file_id, status, window_ends_at, holder, held_until)
            SELECT gen_random_uuid(), tenant_id, key_id, endpoint, input_file_id, 0, window_ends_at, gen_random_uuid(), now() + interval '1 hour'
              FROM batches CROSS JOIN generate_series(1, 97) WHERE id = '{GuidOf(first)}'
            """
        );

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => PostAsync(http, Of(file))));

        Assert.Equal(2, answers.Count(answer => answer.IsSuccessStatusCode));
        var refused = await ReadErrorAsync(answers.First(answer => !answer.IsSuccessStatusCode), HttpStatusCode.TooManyRequests);
        Assert.Equal("too_many_batches", Text(refused, "code"));
        await ExecuteAsync(
            $"UPDATE batches SET ended_at = now(), status = 7 WHERE tenant_id = (SELECT tenant_id FROM batches WHERE id = '{GuidOf(first)}')"
        );
        Assert.True((await PostAsync(http, Of(file))).IsSuccessStatusCode, "there is room again");
    }

    [Fact]
    public async Task A_file_is_not_deleted_while_a_batch_of_it_is_made()
    {
        var http = await TenantAsync();
        var file = Text(await ReadAsync(await UploadAsync(http, Line("1"))), "id")!;
        var id = Guid.ParseExact(file["file-".Length..], "N");
        await using var connection = await api.Db.Source.OpenConnectionAsync(TestRun.Cancel);
        await using var transaction = await connection.BeginTransactionAsync(TestRun.Cancel);
        await using var making = new NpgsqlCommand(
            """
            UPDATE file_usage SET bytes = bytes WHERE tenant_id = (SELECT tenant_id FROM files WHERE id = @id);
            INSERT INTO batches (id, tenant_id, key_id, endpoint, input_file_id, status, window_ends_at, holder, held_until)
            SELECT gen_random_uuid(), tenant_id, 'k', '/v1/responses', id, 0, now() + interval '1 day', gen_random_uuid(), now() + interval '1 day'
              FROM files WHERE id = @id
            """,
            connection
        );
        making.Parameters.AddWithValue("id", id);
        await making.ExecuteNonQueryAsync(TestRun.Cancel);

        var deletion = http.DeleteAsync($"/v1/files/{file}", TestRun.Cancel);
        await Eventually.TrueAsync(
            async _ =>
                deletion.IsCompleted
                || await ScalarAsync($"SELECT count(*) FROM pg_stat_activity WHERE {connection.ProcessID} = ANY (pg_blocking_pids(pid))")
                    > 0,
            "the deletion waits"
        );
        await transaction.CommitAsync(TestRun.Cancel);

        Assert.Equal("file_in_use", Text(await ReadErrorAsync(await deletion, HttpStatusCode.Conflict), "code"));
    }

    [Fact]
    public async Task A_file_that_expires_before_its_batch_has_ended_is_kept_for_the_batch_alone()
    {
        var http = await TenantAsync();
        var id = await CreateAsync(http, Line("1"));
        var before = Assert.Single(await JobsAsync(id, 1));
        var file = Text(await ReadAsync(await http.GetAsync($"/v1/batches/{id}", TestRun.Cancel)), "input_file_id")!;
        var fileId = Guid.ParseExact(file["file-".Length..], "N");
        var worker = await api.WorkerAsync();
        var store = new FileStore(worker.Get<NpgsqlDataSource>(), Microsoft.Extensions.Options.Options.Create(new FilesOptions()));

        await ExecuteAsync(
            $"""
            UPDATE files SET expires_at = now() - interval '1 s' WHERE id = '{fileId}';
            DELETE FROM idempotency_keys WHERE job_id = '{before}';
            UPDATE batch_lines SET state = 0, job_id = NULL WHERE batch_id = '{GuidOf(id)}'
            """
        );
        var job = Assert.Single(await JobsAsync(id, 1));
        await store.PruneAsync(TestRun.Cancel);
        var kept = await ScalarAsync($"SELECT count(*) FROM files WHERE id = '{fileId}'");
        using var seen = await http.GetAsync($"/v1/files/{file}", TestRun.Cancel);
        await AnswerAsync(job, "An answer.");
        await UntilAsync(http, id, "completed");
        await store.PruneAsync(TestRun.Cancel);

        Assert.NotEqual(before, job);
        Assert.Equal((1L, HttpStatusCode.NotFound), (kept, seen.StatusCode));
        Assert.Equal(0L, await ScalarAsync($"SELECT count(*) FROM files WHERE id = '{fileId}'"));
    }

    [Fact]
    public async Task F_52_of_a_tenant_that_is_being_deleted_no_file_and_no_batch_is_made_any_more()
    {
        var http = await TenantAsync();
        var id = await CreateAsync(http, Line("1"));
        var file = Text(await ReadAsync(await http.GetAsync($"/v1/batches/{id}", TestRun.Cancel)), "input_file_id");
        await ExecuteAsync($"UPDATE tenants SET deletion_at = now() WHERE id = (SELECT tenant_id FROM batches WHERE id = '{GuidOf(id)}')");

        using var noFile = await UploadAsync(http, Line("1"));
        using var noBatch = await PostAsync(http, Of(file));

        Assert.Equal("invalid_api_key", Text(await ReadErrorAsync(noFile, HttpStatusCode.Unauthorized), "code"));
        Assert.Equal("invalid_api_key", Text(await ReadErrorAsync(noBatch, HttpStatusCode.Unauthorized), "code"));
        Assert.Equal(
            1L,
            await ScalarAsync($"SELECT count(*) FROM files WHERE tenant_id = (SELECT tenant_id FROM batches WHERE id = '{GuidOf(id)}')")
        );
    }

    [Fact]
    public async Task While_the_files_of_one_batch_are_written_others_go_on()
    {
        var http = await TenantAsync();
        var id = await CreateAsync(http, Line("1"));
        var job = Assert.Single(await JobsAsync(id, 1));
        await using var connection = await api.Db.Source.OpenConnectionAsync(TestRun.Cancel);
        await using var transaction = await connection.BeginTransactionAsync(TestRun.Cancel);
        await using var hold = new NpgsqlCommand(
            "SELECT 1 FROM file_usage WHERE tenant_id = (SELECT tenant_id FROM batches WHERE id = @id) FOR UPDATE",
            connection
        );
        hold.Parameters.AddWithValue("id", GuidOf(id));
        await hold.ExecuteNonQueryAsync(TestRun.Cancel);
        await AnswerAsync(job, "An answer.");
        var waiting = $"""
            SELECT pid::bigint * 1000000 + (extract(epoch FROM query_start) * 1000)::bigint % 1000000
              FROM pg_stat_activity WHERE {connection.ProcessID} = ANY (pg_blocking_pids(pid)) UNION ALL SELECT 0 LIMIT 1
            """;
        var blocked = await Eventually.GetAsync(
            _ => ScalarAsync(waiting),
            found => found != 0,
            "the answers of the first one wait for room"
        );

        var other = await CreateAsync(await TenantAsync(), Line("1"));
        await JobsAsync(other, 1);

        Assert.Equal(blocked, await ScalarAsync(waiting));
        await transaction.RollbackAsync(TestRun.Cancel);
        await UntilAsync(http, id, "completed");
    }

    private static string Of(string? file) =>
        $$"""{"input_file_id":"{{file}}","endpoint":"/v1/chat/completions","completion_window":"24h"}""";

    private static async Task<HttpResponseMessage> UploadAsync(HttpClient http, string lines)
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("batch"), "purpose" },
            { new ByteArrayContent(System.Text.Encoding.UTF8.GetBytes(lines)), "file", "lines.jsonl" },
        };
        return await http.PostAsync("/v1/files", form, TestRun.Cancel);
    }
}
