using System.Net;
using System.Text;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>One key and one body make one job, however often and however concurrently they come.</summary>
public sealed class IdempotencyTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task A_repeat_gets_the_original_answer_byte_for_byte_whatever_has_become_of_the_job()
    {
        const string Body = """
            {"type":"chat","feature":"f","priority":"batch","max_attempts":2,"deadline":"2999-01-01T00:00:00.1234567Z",
             "metadata":{"b":"2","a":"1"},"user":"u","input":{"messages":[{"role":"user","content":"Grüße"}],"temperature":0.5}}
            """;
        using var first = await api.PostAsync(Body, Key("original"));
        var job = await ApiServer.ReadJobAsync(first);
        await CompleteAsync(job.Id);

        using var repeat = await api.PostAsync(Body, Key("original"));

        Assert.Equal(HttpStatusCode.Accepted, repeat.StatusCode);
        Assert.Equal(await TextAsync(first), await TextAsync(repeat));
        Assert.Equal(first.Headers.Location, repeat.Headers.Location);
        Assert.False(first.Headers.Contains("Idempotent-Replayed"));
        Assert.Equal(["true"], repeat.Headers.GetValues("Idempotent-Replayed"));
    }

    [Fact]
    public async Task A_repeat_of_a_scheduled_job_still_says_scheduled_when_it_has_become_due()
    {
        var body = ApiServer.Chat.Insert(1, $"\"not_before\":\"{TimeProvider.System.GetUtcNow().AddHours(1):O}\",");
        using var first = await api.PostAsync(body, Key("scheduled"));
        var job = await ApiServer.ReadJobAsync(first);
        await ExecuteAsync("UPDATE jobs SET due_at = now() WHERE id = $1", job.Id);
        await (await api.WorkerAsync()).Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        using var repeat = await api.PostAsync(body, Key("scheduled"));

        Assert.Equal((JobStatuses.Scheduled, "scheduled"), (job.Status, job.Queue!.WaitingReason));
        Assert.Equal(await TextAsync(first), await TextAsync(repeat));
        Assert.Equal(JobStatuses.Queued, (await api.GetJobAsync(job.Id)).Status);
    }

    [Fact]
    public async Task A_28_I_3_and_f_30_a_hundred_parallel_submits_of_one_key_make_one_job_for_each_tenant()
    {
        var stranger = api.Client(await api.AddTenantAsync());
        var before = await CountAsync();

        var sent = Enumerable
            .Range(0, 200)
            .Select(n => ApiServer.PostAsync(n % 2 == 0 ? api.Http : stranger, Encoding.UTF8.GetBytes(ApiServer.Chat), Key("parallel")));
        var answers = await Task.WhenAll(sent);

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode));
        var texts = await Task.WhenAll(answers.Select(TextAsync));
        var ours = Assert.Single(texts.Where((_, n) => n % 2 == 0).Distinct(StringComparer.Ordinal));
        var theirs = Assert.Single(texts.Where((_, n) => n % 2 == 1).Distinct(StringComparer.Ordinal));
        Assert.NotEqual(ours, theirs);
        Assert.Equal(198, answers.Count(answer => answer.Headers.Contains("Idempotent-Replayed")));
        Assert.Equal(before + 2, await CountAsync());
        Array.ForEach(answers, answer => answer.Dispose());
    }

    [Theory]
    [InlineData("""{ "input": { "messages": [ { "content": "Hello", "role": "user" } ] }, "type": "chat" }""")]
    [InlineData(
        """{"type":"chat","model":"default","priority":"standard","max_attempts":5,"input":{"messages":[{"role":"user","content":"\u0048ello"}]}}"""
    )]
    [InlineData(
        """{"type":"chat","metadata":{},"feature":null,"input":{"messages":[{"role":"user","content":"Hello"}],"temperature":null}}"""
    )]
    public async Task The_same_meaning_in_another_spelling_is_the_same_request(string body)
    {
        var key = Guid.CreateVersion7().ToString();
        var first = await api.SubmitAsync(ApiServer.Chat, Key(key));

        Assert.Equal(first.Id, (await api.SubmitAsync(body, Key(key))).Id);
    }

    [Theory]
    [InlineData("""{"type":"chat","input":{"messages":[{"role":"user","content":"Hello!"}]}}""")]
    [InlineData("""{"type":"chat","input":{"messages":[{"role":"system","content":"Hello"}]}}""")]
    [InlineData("""{"type":"chat","feature":"f","input":{"messages":[{"role":"user","content":"Hello"}]}}""")]
    [InlineData("""{"type":"chat","user":"f","input":{"messages":[{"role":"user","content":"Hello"}]}}""")]
    [InlineData("""{"type":"chat","model":"sim","input":{"messages":[{"role":"user","content":"Hello"}]}}""")]
    [InlineData("""{"type":"chat","priority":"batch","input":{"messages":[{"role":"user","content":"Hello"}]}}""")]
    [InlineData("""{"type":"chat","max_attempts":4,"input":{"messages":[{"role":"user","content":"Hello"}]}}""")]
    [InlineData("""{"type":"chat","metadata":{"a":"b"},"input":{"messages":[{"role":"user","content":"Hello"}]}}""")]
    [InlineData("""{"type":"chat","deadline":"2999-01-01T00:00:00Z","input":{"messages":[{"role":"user","content":"Hello"}]}}""")]
    [InlineData("""{"type":"chat","not_before":"2020-01-01T00:00:00Z","input":{"messages":[{"role":"user","content":"Hello"}]}}""")]
    [InlineData("""{"type":"chat","input":{"messages":[{"role":"user","content":"Hello"}],"temperature":0}}""")]
    [InlineData("""{"type":"chat","input":{"messages":[{"role":"user","content":"Hello"}],"max_output_tokens":1}}""")]
    public async Task A_28_the_same_key_with_another_meaning_is_refused_and_names_the_job(string body)
    {
        var key = Guid.CreateVersion7().ToString();
        var first = await api.SubmitAsync(ApiServer.Chat, Key(key));

        using var response = await api.PostAsync(body, Key(key));

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/idempotency-key-reused", problem.Type);
        Assert.Contains(first.Id.ToString(), problem.Detail, StringComparison.Ordinal);
        Assert.Contains(key, problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_28_keys_of_two_tenants_are_apart()
    {
        var other = api.Client(await api.AddTenantAsync());
        var ours = await api.SubmitAsync(ApiServer.Chat, Key("tenants"));

        using var theirs = await ApiServer.PostAsync(other, Encoding.UTF8.GetBytes(ApiServer.Chat), Key("tenants"));

        Assert.NotEqual(ours.Id, (await ApiServer.ReadJobAsync(theirs)).Id);
    }

    [Fact]
    public async Task A_28_a_key_is_kept_for_24_hours_as_documented_and_makes_a_new_job_once_after_that()
    {
        var first = await api.SubmitAsync(ApiServer.Chat, Key("expired"));
        var before = await CountAsync();
        // A minute before the time is over, and then a minute after.
        await AgeAsync(TimeSpan.FromHours(24) - TimeSpan.FromMinutes(1));
        Assert.Equal(first.Id, (await api.SubmitAsync(ApiServer.Chat, Key("expired"))).Id);
        await AgeAsync(TimeSpan.FromMinutes(2));

        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => api.SubmitAsync(ApiServer.Chat, Key("expired"))));

        Assert.NotEqual(first.Id, Assert.Single(answers.Select(job => job.Id).Distinct()));
        Assert.Equal(before + 1, await CountAsync());

        async Task AgeAsync(TimeSpan time)
        {
            await using var command = api.Db.Source.CreateCommand(
                "UPDATE idempotency_keys SET expires_at = expires_at - $1 WHERE job_id = $2"
            );
            command.Parameters.AddWithValue(time);
            command.Parameters.AddWithValue(first.Id);
            Assert.Equal(1, await command.ExecuteNonQueryAsync(TestRun.Cancel));
        }
    }

    [Fact]
    public async Task A_key_bare_and_in_quotes_is_the_same_key()
    {
        var bare = await api.SubmitAsync(ApiServer.Chat, Key("a\"b\\c"));

        Assert.Equal(bare.Id, (await api.SubmitAsync(ApiServer.Chat, Key("\"a\\\"b\\\\c\""))).Id);
    }

    [Fact]
    public async Task What_was_accepted_is_still_answered_when_its_deadline_has_passed_since()
    {
        var body = "";
        var first = await Eventually.GetAsync(
            async _ =>
            {
                // A later one where the machine takes longer to submit than the first one leaves it.
                var soon = TimeProvider.System.GetUtcNow().AddSeconds(body.Length == 0 ? 1.5 : 5);
                body = ApiServer.Chat.Insert(1, $"\"deadline\":\"{soon:O}\",");
                return await api.SubmitAsync(body, Key("deadline"));
            },
            _ => true,
            "it is accepted before its deadline"
        );

        using var refused = await Eventually.GetAsync(
            _ => api.PostAsync(body),
            response => response.StatusCode == HttpStatusCode.BadRequest,
            "the deadline passes"
        );
        var repeat = await api.SubmitAsync(body, Key("deadline"));

        Assert.Equal(first, repeat with { Metadata = first.Metadata });
        using var reused = await api.PostAsync(body.Replace("Hello", "Other", StringComparison.Ordinal), Key("deadline"));
        Assert.Equal("/problems/idempotency-key-reused", (await ApiServer.ReadProblemAsync(reused)).Type);
        using var fresh = await api.PostAsync(body, Key("deadline-fresh"));
        Assert.Equal("/problems/invalid-value", (await ApiServer.ReadProblemAsync(fresh)).Type);
    }

    [Fact]
    public async Task How_long_to_wait_is_no_part_of_the_request()
    {
        var first = await api.SubmitAsync(ApiServer.Chat, Key("prefer"));
        await CompleteAsync(first.Id);

        using var repeat = await api.PostAsync(ApiServer.Chat, Key("prefer"), ("Prefer", "wait=5"));

        Assert.Equal(HttpStatusCode.OK, repeat.StatusCode);
        var ended = await ApiServer.ReadJobAsync(repeat);
        Assert.Equal((first.Id, JobStatuses.Completed), (ended.Id, ended.Status));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\"")]
    [InlineData("\"open")]
    [InlineData("\"a\"b")]
    [InlineData("\"a\\b\"")]
    [InlineData("\"\"")]
    [InlineData("tab\there")]
    [InlineData("ümlaut")]
    [InlineData("clear\u001b[2Jscreen")]
    [InlineData("turned\u202Earound")]
    public async Task A_27_a_malformed_key_is_refused(string key)
    {
        using var response = await api.PostAsync(ApiServer.Chat, Key(key));

        Assert.Equal("/problems/malformed-idempotency-key", (await ApiServer.ReadProblemAsync(response)).Type);
    }

    [Fact]
    public async Task A_28_a_key_of_255_characters_is_taken_and_longer_ones_are_refused_and_make_no_job()
    {
        await api.SubmitAsync(ApiServer.Chat, Key(new string('k', 255)));
        await api.SubmitAsync(ApiServer.Chat, Key($"\"{new string('q', 255)}\""));
        var before = await CountAsync();
        using var bare = await api.PostAsync(ApiServer.Chat, Key(new string('k', 256)));
        using var quoted = await api.PostAsync(ApiServer.Chat, Key($"\"{new string('q', 256)}\""));

        using var longer = await api.PostAsync(ApiServer.Chat, Key(new string('k', 300)));
        using var overlong = await api.PostAsync(ApiServer.Chat, Key($"\"{new string('q', 300)}\""));

        foreach (var refused in (HttpResponseMessage[])[bare, quoted, longer, overlong])
        {
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
            Assert.Equal("/problems/malformed-idempotency-key", (await ApiServer.ReadProblemAsync(refused)).Type);
        }

        Assert.Equal(before, await CountAsync());
    }

    [Fact]
    public async Task Two_keys_in_one_request_are_refused()
    {
        using var response = await api.PostAsync(ApiServer.Chat, Key("one"), Key("two"));

        Assert.Equal("/problems/malformed-idempotency-key", (await ApiServer.ReadProblemAsync(response)).Type);
    }

    private static (string, string) Key(string key) => ("Idempotency-Key", key);

    private static Task<string> TextAsync(HttpResponseMessage response) => response.Content.ReadAsStringAsync(TestRun.Cancel);

    private async Task<long> CountAsync()
    {
        await using var command = api.Db.Source.CreateCommand("SELECT count(*) FROM jobs");
        return (long)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    private async Task CompleteAsync(Guid jobId)
    {
        var worker = await api.WorkerAsync();
        var running = await worker.ClaimAsync(jobId);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("done")));
    }

    private async Task ExecuteAsync(string sql, Guid id)
    {
#pragma warning disable CA2100 // Constants of this file.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue(id);
        await command.ExecuteNonQueryAsync(TestRun.Cancel);
    }
}
