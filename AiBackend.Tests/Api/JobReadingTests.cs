using System.Diagnostics;
using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>One job: submitted, read, waited for, cancelled, traced.</summary>
public sealed class JobReadingTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task An_accepted_job_reads_back_as_it_was_submitted()
    {
        using var response = await api.PostAsync(
            """
            {"type":"chat","model":"sim","feature":"support","priority":"interactive","max_attempts":3,"deadline":"2999-01-01T00:00:00Z",
             "metadata":{"order":"A-1"},"user":"u-17","input":{"messages":[{"role":"system","content":"Be brief."},
             {"role":"user","content":"  What\n is\tthis?  "}],"max_output_tokens":500,"temperature":0.2}}
            """
        );

        var accepted = await ApiServer.ReadJobAsync(response);
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        Assert.Equal($"/api/v1/jobs/{accepted.Id}", response.Headers.Location?.ToString());
        Assert.Equal("What is this?", accepted.Title);
        Assert.Equal(response.Headers.Location?.ToString(), accepted.Links.Self);
        var read = await api.GetJobAsync(accepted.Id);
        Assert.Equal(accepted with { Queue = null, Metadata = read.Metadata }, read with { Queue = null });
        Assert.Equal("A-1", accepted.Metadata["order"]);
        Assert.Equal("A-1", read.Metadata["order"]);
        Assert.Equal(7, accepted.Id.Version);
    }

    [Fact]
    public async Task A_job_belongs_to_the_key_that_submitted_it()
    {
        var job = await api.SubmitAsync();

        var claimed = await (await api.WorkerAsync()).ClaimAsync(job.Id);

        Assert.Equal(ApiKey.TryParse(api.Key)!.Id, claimed.Job.KeyId);
    }

    [Fact]
    public async Task The_trace_of_the_request_becomes_the_trace_of_the_job()
    {
        using var response = await api.PostAsync(
            ApiServer.Chat,
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        );

        Assert.Equal("0af7651916cd43dd8448eb211c80319c", (await ApiServer.ReadJobAsync(response)).TraceId);
    }

    [Theory]
    [InlineData("not-an-id")]
    [InlineData("00000000-0000-0000-0000-000000000000")]
    [InlineData("01a1f9a118067568be054d8750be814e")]
    [InlineData("01a1f9a1-1806-7568-be05-4d8750be814")]
    [InlineData("%27%3B%20DROP%20TABLE%20jobs")]
    public async Task An_id_that_no_job_has_is_not_found_whatever_it_looks_like(string id)
    {
        foreach (var (method, suffix) in ((string, string)[])[("GET", ""), ("GET", "/events"), ("GET", "/trace"), ("POST", "/cancel")])
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), $"/api/v1/jobs/{id}{suffix}");
            using var response = await api.Http.SendAsync(request, TestRun.Cancel);
            Assert.Equal("/problems/job-not-found", (await ApiServer.ReadProblemAsync(response)).Type);
        }
    }

    [Fact]
    public async Task A_1_and_a_2_another_tenants_job_is_like_one_that_does_not_exist_on_every_route()
    {
        var job = await api.SubmitAsync();
        var stranger = api.Client(await api.AddTenantAsync());
        var unknown = Guid.CreateVersion7();

        foreach (var (method, suffix) in ((string, string)[])[("GET", ""), ("GET", "/events"), ("GET", "/trace"), ("POST", "/cancel")])
        {
            var answers = new List<string>();
            foreach (var id in (Guid[])[job.Id, unknown])
            {
                using var request = new HttpRequestMessage(new HttpMethod(method), $"/api/v1/jobs/{id}{suffix}");
                using var response = await stranger.SendAsync(request, TestRun.Cancel);
                var problem = await ApiServer.ReadProblemAsync(response);
                answers.Add(
                    $"{response.StatusCode} {problem with { TraceId = null }}".Replace(id.ToString(), "id", StringComparison.Ordinal)
                );
            }

            Assert.Equal(answers[0], answers[1]);
        }

        Assert.Equal(JobStatuses.Queued, (await api.GetJobAsync(job.Id)).Status);
        Assert.Equal("{\"data\":[],\"next_cursor\":null}", await stranger.GetStringAsync("/api/v1/jobs", TestRun.Cancel));
    }

    [Fact]
    public async Task A_long_poll_answers_as_soon_as_the_job_has_ended()
    {
        var job = await api.SubmitAsync();
        var poll = api.Http.GetAsync($"/api/v1/jobs/{job.Id}?wait=30", TestRun.Cancel);
        var submit = api.PostAsync(ApiServer.Chat, ("Prefer", "respond-async, wait=\"30\""), ("Idempotency-Key", "poll"));
        var second = await Eventually.GetAsync(
            async _ => (await api.SubmitAsync(ApiServer.Chat, ("Idempotency-Key", "poll"))).Id,
            id => id != Guid.Empty,
            "the waiting job exists"
        );
        Assert.False(poll.IsCompleted);
        Assert.False(submit.IsCompleted);

        var watch = Stopwatch.StartNew();
        await EndAsync(job.Id, "one");
        await EndAsync(second, "two");

        using var polled = await poll;
        using var submitted = await submit;
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"It took {watch.Elapsed}.");
        Assert.Equal("one", (await ApiServer.ReadJobAsync(polled)).Output!.Text);
        Assert.Equal(HttpStatusCode.OK, submitted.StatusCode);
        Assert.Equal("two", (await ApiServer.ReadJobAsync(submitted)).Output!.Text);
        Assert.Equal(["wait=30"], submitted.Headers.GetValues("Preference-Applied"));
    }

    [Fact]
    public async Task When_the_time_is_up_first_the_answer_is_the_job_as_it_stands()
    {
        using var submitted = await api.PostAsync(ApiServer.Chat, ("Prefer", "wait=1"));
        var job = await ApiServer.ReadJobAsync(submitted);
        using var polled = await api.Http.GetAsync($"/api/v1/jobs/{job.Id}?wait=1", TestRun.Cancel);

        Assert.Equal(HttpStatusCode.Accepted, submitted.StatusCode);
        Assert.Equal(JobStatuses.Queued, job.Status);
        Assert.Equal(JobStatuses.Queued, (await ApiServer.ReadJobAsync(polled)).Status);
    }

    [Theory]
    [InlineData("wait=61")]
    [InlineData("wait=-1")]
    [InlineData("wait=1.5")]
    [InlineData("wait=")]
    [InlineData("wait=1&wait=2")]
    public async Task A_wait_out_of_bounds_is_refused(string query)
    {
        var job = await api.SubmitAsync();

        using var response = await api.Http.GetAsync($"/api/v1/jobs/{job.Id}?{query}", TestRun.Cancel);

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/invalid-value", problem.Type);
        Assert.Contains("wait", problem.Errors!.Keys);
    }

    [Theory]
    [InlineData("/api/v1/jobs/00000000-0000-0000-0000-000000000000?wiat=1", "GET", "\"wiat\"")]
    [InlineData("/api/v1/jobs/00000000-0000-0000-0000-000000000000?Wait=1", "GET", "\"Wait\"")]
    [InlineData("/api/v1/jobs/00000000-0000-0000-0000-000000000000/events?before=1", "GET", "after")]
    [InlineData("/api/v1/jobs/00000000-0000-0000-0000-000000000000/trace?x=1", "GET", "tenant, reason")]
    [InlineData("/api/v1/jobs/00000000-0000-0000-0000-000000000000/cancel?force=1", "POST", "\"force\"")]
    [InlineData("/api/v1/jobs?staus=queued", "GET", "status, type, feature")]
    [InlineData("/api/v1/jobs?q=text", "GET", "\"q\"")]
    [InlineData("/api/v1/stats?windw=60", "GET", "window")]
    [InlineData("/api/v1/workers?x", "GET", "\"x\"")]
    [InlineData("/api/v1/providers?x=", "GET", "\"x\"")]
    public async Task An_unknown_parameter_is_refused_on_every_route(string path, string method, string named)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/unknown-query-parameter", problem.Type);
        Assert.Contains(named, problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_submit_takes_no_parameters()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs?wait=5")
        {
            Content = new StringContent(ApiServer.Chat, new System.Net.Http.Headers.MediaTypeHeaderValue("application/json")),
        };

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);

        Assert.Equal("/problems/unknown-query-parameter", (await ApiServer.ReadProblemAsync(response)).Type);
    }

    [Fact]
    public async Task A_queued_job_is_cancelled_at_once_and_cannot_be_cancelled_again()
    {
        var job = await api.SubmitAsync();

        using var cancelled = await api.Http.PostAsync(job.Links.Cancel, null, TestRun.Cancel);
        using var again = await api.Http.PostAsync(job.Links.Cancel, null, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.Accepted, cancelled.StatusCode);
        var ended = await ApiServer.ReadJobAsync(cancelled);
        Assert.Equal((JobStatuses.Cancelled, (QueuePlace?)null), (ended.Status, ended.Queue));
        Assert.NotNull(ended.FinishedAt);
        var problem = await ApiServer.ReadProblemAsync(again);
        Assert.Equal("/problems/job-terminal", problem.Type);
        Assert.Contains("cancelled", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_running_job_is_told_to_stop_and_ends_when_its_worker_says_so()
    {
        var job = await api.SubmitAsync();
        var running = await (await api.WorkerAsync()).ClaimAsync(job.Id);

        using var asked = await api.Http.PostAsync(job.Links.Cancel, null, TestRun.Cancel);
        Assert.Equal(JobStatuses.Processing, (await ApiServer.ReadJobAsync(asked)).Status);
        Assert.True(await running.EndAsync(AttemptEnd.Cancelled(null)));

        Assert.Equal(HttpStatusCode.Accepted, asked.StatusCode);
        Assert.Equal(JobStatuses.Cancelled, (await api.GetJobAsync(job.Id)).Status);
    }

    [Fact]
    public async Task A_trace_tells_attempts_and_waits()
    {
        var job = await api.SubmitAsync();
        await EndAsync(job.Id, "text");

        using var response = await api.Http.GetAsync($"/api/v1/jobs/{job.Id}/trace", TestRun.Cancel);

        var trace = JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(TestRun.Cancel), WireJson.Default.JobTrace)!;
        Assert.Equal(job.TraceId, trace.TraceId);
        Assert.Equal((1, "succeeded"), Assert.Single(trace.Attempts.Select(attempt => (attempt.Attempt, attempt.Outcome))));
        Assert.Equal("queued", Assert.Single(trace.Waits).Reason);
    }

    [Fact]
    public async Task A_start_in_the_past_is_a_start_now()
    {
        var job = await api.SubmitAsync(ApiServer.Chat.Insert(1, "\"not_before\":\"2020-01-01T00:00:00Z\","));

        Assert.Equal((JobStatuses.Queued, (DateTimeOffset?)null), (job.Status, job.NextAttemptAt));
    }

    [Fact]
    public async Task A_start_in_the_future_schedules_the_job()
    {
        var job = await api.SubmitAsync(ApiServer.Chat.Insert(1, $"\"not_before\":\"{TimeProvider.System.GetUtcNow().AddDays(1):O}\","));

        Assert.Equal(JobStatuses.Scheduled, job.Status);
        Assert.Equal(job.NextAttemptAt, (await api.GetJobAsync(job.Id)).NextAttemptAt);
    }

    [Theory]
    [InlineData("/api/v1/stats?window=59")]
    [InlineData("/api/v1/stats?window=86401")]
    [InlineData("/api/v1/stats?window=x")]
    public async Task A_window_out_of_bounds_is_refused(string path)
    {
        using var response = await api.Http.GetAsync(path, TestRun.Cancel);

        Assert.Contains("window", (await ApiServer.ReadProblemAsync(response)).Errors!.Keys);
    }

    [Fact]
    public async Task Operations_answer_with_their_contracts()
    {
        await api.SubmitAsync();

        var stats = JsonSerializer.Deserialize(
            await api.Http.GetByteArrayAsync("/api/v1/stats?window=60", TestRun.Cancel),
            WireJson.Default.Stats
        )!;
        var workers = await api.Http.GetByteArrayAsync("/api/v1/workers", TestRun.Cancel);
        var providers = await api.Http.GetByteArrayAsync("/api/v1/providers", TestRun.Cancel);

        Assert.Equal(60, stats.WindowSeconds);
        Assert.True(stats.Queue.Single(depth => depth.Priority == "standard").Depth > 0);
        Assert.Empty(JsonSerializer.Deserialize(workers, WireJson.Default.WorkerList)!.Data);
        Assert.True(Assert.Single(JsonSerializer.Deserialize(providers, WireJson.Default.ProviderList)!.Data).Simulated);
    }

    private async Task EndAsync(Guid jobId, string text)
    {
        var running = await (await api.WorkerAsync()).ClaimAsync(jobId);
        running.AppendText(text);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded(text)));
    }
}
