using System.Net;
using System.Net.Http.Headers;
using System.Text;
using AiBackend.Core.Jobs;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary><c>POST /api/v1/jobs/{id}/replay</c> and <c>/discard</c>.</summary>
public sealed class ReplayApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task I_2_a_replay_is_a_new_job_that_takes_over_what_the_caller_decided()
    {
        var old = await DieAsync(
            """
            {"type":"chat","feature":"f","priority":"batch","max_attempts":2,"deadline":"2999-01-01T00:00:00Z","user":"u",
             "metadata":{"a":"1"},"input":{"messages":[{"role":"user","content":"Grüße"}],"temperature":0.5}}
            """
        );
        var before = await api.Http.GetStringAsync($"/api/v1/jobs/{old}", TestRun.Cancel);

        using var response = await PostAsync($"/api/v1/jobs/{old}/replay", null);

        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        var job = await ApiServer.ReadJobAsync(response);
        Assert.Equal($"/api/v1/jobs/{job.Id}", response.Headers.Location!.ToString());
        Assert.Equal((old, "queued", "batch", 2, "f"), (job.ReplayOf, job.Status, job.Priority, job.MaxAttempts, job.Feature));
        Assert.Equal(new DateTimeOffset(2999, 1, 1, 0, 0, 0, TimeSpan.Zero), job.Deadline);
        Assert.Equal(("1", "Grüße"), (job.Metadata["a"], job.Title));
        Assert.Equal(await InputAsync(old), await InputAsync(job.Id));
        Assert.Equal(before, await api.Http.GetStringAsync($"/api/v1/jobs/{old}", TestRun.Cancel));
    }

    [Fact]
    public async Task Replaying_a_dead_letter_twice_answers_with_the_same_job_whatever_the_second_asks_for()
    {
        var old = await DieAsync();
        using var first = await PostAsync($"/api/v1/jobs/{old}/replay", null);
        var job = await ApiServer.ReadJobAsync(first);
        await CompleteAsync(job.Id);

        using var second = await PostAsync($"/api/v1/jobs/{old}/replay", """{"model":"sim"}""");

        Assert.Equal(HttpStatusCode.Accepted, second.StatusCode);
        Assert.Equal(["true"], second.Headers.GetValues("Idempotent-Replayed"));
        Assert.False(first.Headers.Contains("Idempotent-Replayed"));
        Assert.Equal(await first.Content.ReadAsStringAsync(TestRun.Cancel), await second.Content.ReadAsStringAsync(TestRun.Cancel));
    }

    [Fact]
    public async Task An_edited_replay_runs_the_edited_input_on_the_other_model()
    {
        var old = await DieAsync();

        using var response = await PostAsync(
            $"/api/v1/jobs/{old}/replay",
            """{"model":"sim","input":{"messages":[{"role":"user","content":"Shorter, please"}],"max_output_tokens":9}}"""
        );

        var job = await ApiServer.ReadJobAsync(response);
        Assert.Equal(("sim", "Shorter, please"), (job.Model, job.Title));
        Assert.Contains("\"max_output_tokens\":9", await InputAsync(job.Id), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_job_was_asked_to_do_can_be_read_edited_and_sent_again()
    {
        var old = await DieAsync();

        var input = await api.Http.GetStringAsync($"/api/v1/jobs/{old}/input", TestRun.Cancel);
        using var response = await PostAsync(
            $"/api/v1/jobs/{old}/replay",
            $$"""{"input":{{input.Replace("Hello", "Hello again", StringComparison.Ordinal)}}}"""
        );
        using var foreign = await api.Client(await api.AddTenantAsync()).GetAsync($"/api/v1/jobs/{old}/input", TestRun.Cancel);

        Assert.Equal("Hello again", (await ApiServer.ReadJobAsync(response)).Title);
        Assert.Equal("/problems/job-not-found", (await ApiServer.ReadProblemAsync(foreign)).Type);
    }

    [Fact]
    public async Task A_deadline_that_has_passed_is_not_taken_over()
    {
        var old = await DieAsync(ApiServer.Chat.Insert(1, "\"deadline\":\"2999-01-01T00:00:00Z\","), deadlinePassed: true);

        using var response = await PostAsync($"/api/v1/jobs/{old}/replay", "{}");

        Assert.Null((await ApiServer.ReadJobAsync(response)).Deadline);
    }

    [Fact]
    public async Task A_job_that_is_no_dead_letter_is_replayed_as_often_as_asked_unless_a_key_says_it_is_the_same_request()
    {
        var old = await api.SubmitAsync();
        await CompleteAsync(old.Id);

        using var one = await PostAsync($"/api/v1/jobs/{old.Id}/replay", null);
        using var two = await PostAsync($"/api/v1/jobs/{old.Id}/replay", null);
        var keyed = await Task.WhenAll(
            Enumerable.Range(0, 50).Select(_ => PostAsync($"/api/v1/jobs/{old.Id}/replay", null, ("Idempotency-Key", "again")))
        );
        using var other = await PostAsync($"/api/v1/jobs/{old.Id}/replay", """{"model":"sim"}""", ("Idempotency-Key", "again"));

        Assert.NotEqual((await ApiServer.ReadJobAsync(one)).Id, (await ApiServer.ReadJobAsync(two)).Id);
        var ids = await Task.WhenAll(keyed.Select(async response => (await ApiServer.ReadJobAsync(response)).Id));
        Assert.Single(ids.Distinct());
        Assert.Equal(49, keyed.Count(response => response.Headers.Contains("Idempotent-Replayed")));
        Assert.Equal("/problems/idempotency-key-reused", (await ApiServer.ReadProblemAsync(other)).Type);
        Array.ForEach(keyed, response => response.Dispose());
    }

    [Theory]
    [InlineData("""{"promt":{}}""", "unknown-member", "input, model, prompt, from_step")]
    [InlineData("""{"prompt":"summary@3"}""", "invalid-value", "prompt must be")]
    [InlineData("""{"prompt":{}}""", "invalid-value", "prompt.name is missing")]
    [InlineData("""{"prompt":{"name":"p"},"input":{"messages":[{"role":"user","content":"x"}]}}""", "invalid-value", "send one of them")]
    [InlineData("""{"from_step":"b"}""", "invalid-value", "this job is a chat")]
    [InlineData("""{"model":"gpt-none"}""", "unknown-model", "\"gpt-none\"")]
    [InlineData("""{"model":""}""", "invalid-value", "model is empty")]
    [InlineData("""{"model":7}""", "invalid-value", "model must be a string")]
    [InlineData("""{"model":"sim","model":"sim"}""", "duplicate-member", "\"model\"")]
    [InlineData("""{"input":{}}""", "missing-messages", "input.messages")]
    [InlineData("""{"input":{"messages":[{"role":"user","content":" "}]}}""", "empty-text", "input.messages[0]")]
    [InlineData("""{"input":{"messages":[{"role":"user","content":"x"}],"temperature":3}}""", "invalid-value", "input.temperature is 3")]
    [InlineData("""{"input":{"mesages":[]}}""", "unknown-member", "\"mesages\"")]
    [InlineData("[]", "invalid-value", "must be a JSON object")]
    [InlineData("null", "invalid-value", "must be a JSON object")]
    [InlineData("{", "invalid-json", "ends too early")]
    public async Task A_bad_replay_is_refused_and_the_letter_stays_open(string body, string problem, string named)
    {
        var old = await DieAsync();

        using var response = await PostAsync($"/api/v1/jobs/{old}/replay", body);

        var refusal = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/" + problem, refusal.Type);
        Assert.Contains(named, refusal.Detail, StringComparison.Ordinal);
        using var good = await PostAsync($"/api/v1/jobs/{old}/replay", null);
        Assert.False(good.Headers.Contains("Idempotent-Replayed"));
    }

    [Theory]
    [InlineData("replay")]
    [InlineData("discard")]
    public async Task A_job_that_has_not_ended_is_refused(string action)
    {
        var job = await api.SubmitAsync();

        using var response = await PostAsync($"/api/v1/jobs/{job.Id}/{action}", null);

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal(action == "replay" ? "/problems/job-not-ended" : "/problems/not-a-dead-letter", problem.Type);
        Assert.Contains("is queued", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_discarded_letter_is_off_the_list_and_can_still_be_replayed()
    {
        var old = await DieAsync();
        var open = await OpenAsync();

        using var first = await PostAsync($"/api/v1/jobs/{old}/discard", null);
        using var second = await PostAsync($"/api/v1/jobs/{old}/discard", null);
        Assert.Equal(open - 1, await OpenAsync());
        using var replay = await PostAsync($"/api/v1/jobs/{old}/replay", null);
        using var third = await PostAsync($"/api/v1/jobs/{old}/discard", null);

        Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        Assert.Equal(await first.Content.ReadAsStringAsync(TestRun.Cancel), await second.Content.ReadAsStringAsync(TestRun.Cancel));
        Assert.Equal(HttpStatusCode.Accepted, replay.StatusCode);
        Assert.Equal("/problems/not-a-dead-letter", (await ApiServer.ReadProblemAsync(third)).Type);
    }

    [Theory]
    [InlineData("replay")]
    [InlineData("discard")]
    public async Task A_2_another_tenants_letter_is_like_none_and_a_reading_key_is_refused(string action)
    {
        var old = await DieAsync();
        var path = $"/api/v1/jobs/{old}/{action}";
        using var foreign = api.Client(await api.AddTenantAsync());
        using var reader = api.Client(await api.AddKeyAsync(AiBackend.Core.Tenancy.ApiKeyStore.DefaultTenant, "jobs:read"));

        using var unknown = await foreign.PostAsync(path, null, TestRun.Cancel);
        using var refused = await reader.PostAsync(path, null, TestRun.Cancel);

        Assert.Equal("/problems/job-not-found", (await ApiServer.ReadProblemAsync(unknown)).Type);
        Assert.Equal("/problems/missing-scope", (await ApiServer.ReadProblemAsync(refused)).Type);
        Assert.Null(
            (
                await (await api.WorkerAsync())
                    .Get<AiBackend.Core.DeadLetters.DeadLetterReads>()
                    .FindAsync(AiBackend.Core.Tenancy.ApiKeyStore.DefaultTenant, old, TestRun.Cancel)
            )!.ClosedBy
        );
    }

    [Fact]
    public async Task A_10_what_a_key_may_not_submit_it_may_not_replay()
    {
        var retrieve = "\"chat\",\"retrieve\":{\"collection\":\"manuals\"}";
        var old = await DieAsync(ApiServer.Chat.Replace("\"chat\"", retrieve, StringComparison.Ordinal));
        using var writer = api.Client(await api.AddKeyAsync(AiBackend.Core.Tenancy.ApiKeyStore.DefaultTenant, "jobs:write"));

        using var refused = await writer.PostAsync($"/api/v1/jobs/{old}/replay", null, TestRun.Cancel);
        using var replayed = await PostAsync($"/api/v1/jobs/{old}/replay", null);

        Assert.Contains("lacks the scope knowledge:read", (await ApiServer.ReadProblemAsync(refused)).Detail, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Accepted, replayed.StatusCode);
    }

    private async Task<Guid> DieAsync(string body = ApiServer.Chat, bool deadlinePassed = false)
    {
        var job = await api.SubmitAsync(body);
        var core = await api.WorkerAsync();
        if (deadlinePassed)
        {
            await core.ExecuteAsync("UPDATE jobs SET deadline = now() WHERE id = @id", job.Id);
            await core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);
            return job.Id;
        }

        await core.EndAsync(job.Id, AttemptEnd.FailedForGood(Dying.Timeout));
        return job.Id;
    }

    private async Task CompleteAsync(Guid jobId) => await (await api.WorkerAsync()).EndAsync(jobId, AttemptEnd.Succeeded("done"));

    private async Task<string> InputAsync(Guid jobId) =>
        await (await api.WorkerAsync()).ScalarAsync<string>("SELECT input FROM job_payloads WHERE job_id = @id", jobId);

    private async Task<int> OpenAsync() =>
        await (await api.WorkerAsync()).ScalarAsync<int>(
            "SELECT count(*) FROM dead_letters WHERE replayed_by IS NULL AND discarded_at IS NULL"
        );

    private async Task<HttpResponseMessage> PostAsync(string path, string? body, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await api.Http.SendAsync(request, TestRun.Cancel);
    }
}
