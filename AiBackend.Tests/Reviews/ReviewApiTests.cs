using System.Net;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Reviews;

/// <summary>Reviews over HTTP: read, claimed and decided.</summary>
public sealed class ReviewApiTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task A_review_shows_everything_that_a_decision_needs()
    {
        var review = await OpenReview.AddAsync(api, TimeSpan.FromHours(1));

        Assert.Equal((ReviewStates.Open, "contract", 1, 1), (review.State, review.Reason, review.Version, review.Attempt));
        Assert.Equal(OpenReview.Proposal, review.Proposal);
        Assert.Equal("/total", Assert.Single(review.Question!.Check!.Violations).Path);
        Assert.Equal("Hello", review.Input!.Value.GetProperty("messages")[0].GetProperty("content").GetString());
        Assert.Equal("review", review.Contract!.OnViolation);
        Assert.Equal(ReviewTimeouts.Reject, review.OnTimeout);
        Assert.NotNull(review.DueAt);
        var listed = Assert.Single((await OpenReview.ListAsync(api.Http)).Data, each => each.Id == review.Id);
        Assert.Equal((null, null, "Hello"), (listed.Proposal, listed.Question, listed.Title));
    }

    [Fact]
    public async Task The_list_has_pages_and_filters()
    {
        var http = api.Client(await api.AddTenantAsync());
        var mine = await AddAsTenantAsync(http, 3);

        var first = await OpenReview.ListAsync(http, "?limit=2");
        var second = await OpenReview.ListAsync(http, $"?limit=2&cursor={first.NextCursor}");

        Assert.Equal(mine, first.Data.Concat(second.Data).Select(review => review.Id));
        Assert.Equal((3, null), (first.Open, second.NextCursor));
        Assert.Empty((await OpenReview.ListAsync(http, "?reason=other")).Data);
        Assert.Equal(mine, (await OpenReview.ListAsync(http, $"?reason={first.Data[0].Reason}")).Data.Select(review => review.Id));
        Assert.Empty((await OpenReview.ListAsync(http, "?state=decided")).Data);
        await OpenReview.ReadAsync(await OpenReview.PostAsync(http, mine[0], "reject", """{"version":1}"""));
        Assert.Equal(mine[0], Assert.Single((await OpenReview.ListAsync(http, "?state=decided")).Data).Id);
        Assert.Equal(2, (await OpenReview.ListAsync(http)).Open);
        // The cursor of one list is not taken for that of another.
        using var other = await http.GetAsync(
            new Uri($"/api/v1/reviews?state=decided&cursor={first.NextCursor}", UriKind.Relative),
            TestRun.Cancel
        );
        Assert.Equal("bad_cursor", (await ApiServer.ReadProblemAsync(other)).Code);
    }

    [Theory]
    [InlineData("?state=closed")]
    [InlineData("?reason=")]
    [InlineData("?limit=0")]
    [InlineData("?cursor=1.x")]
    [InlineData("?order=asc")]
    public async Task A_query_that_cannot_be_is_refused(string query)
    {
        using var response = await api.Http.GetAsync(new Uri("/api/v1/reviews" + query, UriKind.Relative), TestRun.Cancel);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Theory]
    [InlineData("approve", "{}", "version")]
    [InlineData("approve", """{"version":1,"text":""}""", "text")]
    [InlineData("approve", """{"version":1,"text":"x","override":true}""", "comment")]
    [InlineData("approve", """{"version":1,"txt":"x"}""", "txt")]
    [InlineData("reject", """{"comment":"no"}""", "version")]
    [InlineData("reject", """{"version":"1"}""", "version")]
    public async Task A_body_that_cannot_be_is_refused_by_name_and_nothing_is_decided(string act, string body, string named)
    {
        var review = await OpenReview.AddAsync(api);

        using var response = await OpenReview.PostAsync(api.Http, review.Id, act, body);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains(named, await response.Content.ReadAsStringAsync(TestRun.Cancel), StringComparison.Ordinal);
        Assert.Equal(ReviewStates.Open, (await OpenReview.GetAsync(api.Http, review.Id)).State);
    }

    [Fact]
    public async Task An_approved_proposal_is_the_jobs_output_and_the_log_says_who()
    {
        var review = await OpenReview.AddAsync(api);

        var decided = await OpenReview.ReadAsync(
            await OpenReview.PostAsync(api.Http, review.Id, "approve", """{"version":1,"comment":"fine"}""")
        );

        Assert.Equal(
            (ReviewDecisions.Approved, false, "fine"),
            (decided.Decision!.Kind, decided.Decision.Edited, decided.Decision.Comment)
        );
        Assert.Contains(decided.Decision.By!, api.Key, StringComparison.Ordinal);
        var job = await api.GetJobAsync(review.JobId);
        Assert.Equal(("completed", OpenReview.Proposal), (job.Status, job.Output!.Text));
    }

    [Fact]
    public async Task An_edited_text_has_to_keep_the_contract_unless_the_reviewer_says_why_not()
    {
        var review = await OpenReview.AddAsync(api);

        using var broken = await OpenReview.PostAsync(api.Http, review.Id, "approve", """{"version":1,"text":"{\"total\":\"few\"}"}""");

        var problem = await ApiServer.ReadProblemAsync(broken);
        Assert.Equal((422, "contract_violated"), (problem.Status, problem.Code));
        Assert.Equal("text/total", Assert.Single(problem.Errors!).Key);
        Assert.Equal("waiting_for_review", (await api.GetJobAsync(review.JobId)).Status);
        var decided = await OpenReview.ReadAsync(
            await OpenReview.PostAsync(
                api.Http,
                review.Id,
                "approve",
                """{"version":1,"text":"{\"total\":\"few\"}","override":true,"comment":"They say so."}"""
            )
        );
        Assert.Equal(
            (true, true, Verdicts.Schema),
            (decided.Decision!.Edited, decided.Decision.Overridden, decided.Decision.Check!.Verdict)
        );
        Assert.Equal("""{"total":"few"}""", (await api.GetJobAsync(review.JobId)).Output!.Text);
    }

    [Fact]
    public async Task An_edited_text_that_keeps_the_contract_is_the_output()
    {
        var review = await OpenReview.AddAsync(api);

        var decided = await OpenReview.ReadAsync(
            await OpenReview.PostAsync(api.Http, review.Id, "approve", """{"version":1,"text":"{\"total\":5}"}""")
        );

        Assert.Equal((true, false), (decided.Decision!.Edited, decided.Decision.Overridden));
        Assert.Equal("""{"total":5}""", (await api.GetJobAsync(review.JobId)).Output!.Text);
        // What is in the audit log is who decided, and of the content a hash.
        var log = await (await api.WorkerAsync()).ScalarAsync<string>(
            $"SELECT string_agg(a::text, ' ') FROM audit_log a WHERE kind = 'review' AND object = '{review.JobId}/1'"
        );
        Assert.Contains("approve_review", log, StringComparison.Ordinal);
        Assert.Contains("edited_sha256", log, StringComparison.Ordinal);
        Assert.DoesNotContain("total", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rejected_job_fails_and_one_that_goes_on_is_queued_again()
    {
        var (rejected, continued) = (await OpenReview.AddAsync(api), await OpenReview.AddAsync(api));

        await OpenReview.ReadAsync(await OpenReview.PostAsync(api.Http, rejected.Id, "reject", """{"version":1,"comment":"wrong"}"""));
        var again = await OpenReview.ReadAsync(
            await OpenReview.PostAsync(api.Http, continued.Id, "reject", """{"version":1,"continue":true,"comment":"as a number"}""")
        );

        var job = await api.GetJobAsync(rejected.JobId);
        Assert.Equal(("failed", "review_rejected"), (job.Status, job.Error!.Code));
        Assert.Equal(ReviewDecisions.Continued, again.Decision!.Kind);
        Assert.Equal("queued", (await api.GetJobAsync(continued.JobId)).Status);
    }

    [Fact]
    public async Task What_one_has_in_hand_nobody_else_claims_or_decides()
    {
        var review = await OpenReview.AddAsync(api);
        var other = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "reviews:read", "reviews:write"));

        var mine = await OpenReview.ReadAsync(await OpenReview.PostAsync(api.Http, review.Id, "claim"));
        var renewed = await OpenReview.ReadAsync(await OpenReview.PostAsync(api.Http, review.Id, "claim"));

        Assert.Equal((2, 2), (mine.Version, renewed.Version));
        Assert.True(renewed.Claim!.Until > mine.Claim!.Until);
        foreach (
            var (act, body) in new[] { ("claim", ""), ("release", ""), ("approve", """{"version":2}"""), ("reject", """{"version":2}""") }
        )
        {
            using var refused = await OpenReview.PostAsync(other, review.Id, act, body);
            var problem = await ApiServer.ReadProblemAsync(refused);
            Assert.Equal((409, "review_claimed"), (problem.Status, problem.Code));
            Assert.Contains(mine.Claim.By, problem.Detail, StringComparison.Ordinal);
        }

        var free = await OpenReview.ReadAsync(await OpenReview.PostAsync(api.Http, review.Id, "release"));
        Assert.Equal((3, null), (free.Version, free.Claim));
        var theirs = await OpenReview.ReadAsync(await OpenReview.PostAsync(other, review.Id, "claim"));
        await (await api.WorkerAsync()).ExecuteAsync("UPDATE job_waits SET claimed_until = now() WHERE job_id = @id", review.JobId);
        // What has run out is nobody's; but what was seen before it was claimed has changed.
        using var stale = await OpenReview.PostAsync(api.Http, review.Id, "approve", """{"version":3}""");
        Assert.Equal("review_changed", (await ApiServer.ReadProblemAsync(stale)).Code);
        await OpenReview.ReadAsync(await OpenReview.PostAsync(api.Http, review.Id, "approve", $$"""{"version":{{theirs.Version}}}"""));
    }

    [Fact]
    public async Task I_4_of_twenty_decisions_at_once_one_counts_and_the_others_are_told_so()
    {
        var review = await OpenReview.AddAsync(api);

        var answers = await Task.WhenAll(
            Enumerable
                .Range(0, 20)
                .Select(i =>
                    OpenReview.PostAsync(
                        api.Http,
                        review.Id,
                        i % 2 == 0 ? "approve" : "reject",
                        i % 4 == 3 ? """{"version":1,"continue":true}""" : """{"version":1}"""
                    )
                )
        );

        Assert.Single(answers, answer => answer.IsSuccessStatusCode);
        Assert.Equal(19, answers.Count(answer => answer.StatusCode == HttpStatusCode.Conflict));
        var log = await (await api.WorkerAsync()).EventsAsync(review.JobId);
        Assert.Equal(Enumerable.Range(1, log.Count), log.Select(record => record.Seq));
        Assert.Equal(
            1,
            await (await api.WorkerAsync()).ScalarAsync<int>(
                $"SELECT count(*) FROM audit_log WHERE kind = 'review' AND object = '{review.JobId}/1'"
            )
        );
        foreach (var answer in answers)
        {
            answer.Dispose();
        }
    }

    [Fact]
    public async Task A_62_another_tenants_review_is_not_there()
    {
        var review = await OpenReview.AddAsync(api);
        var other = api.Client(await api.AddTenantAsync());

        Assert.Empty((await OpenReview.ListAsync(other)).Data);
        foreach (var act in new[] { "claim", "release", "approve", "reject" })
        {
            using var response = await OpenReview.PostAsync(other, review.Id, act, """{"version":1}""");
            Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        }

        Assert.Equal(1, (await OpenReview.GetAsync(api.Http, review.Id)).Version);
    }

    [Fact]
    public async Task A_61_a_key_without_the_scope_decides_nothing()
    {
        var review = await OpenReview.AddAsync(api);
        // What a job's own caller has; a tool's result comes with the same rights.
        var caller = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read", "jobs:write", "reviews:read"));

        foreach (var act in new[] { "claim", "release", "approve", "reject" })
        {
            using var response = await OpenReview.PostAsync(caller, review.Id, act, """{"version":1}""");
            Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        }

        Assert.Equal(ReviewStates.Open, (await OpenReview.GetAsync(caller, review.Id)).State);
    }

    [Fact]
    public async Task What_nobody_decides_in_time_is_refused_where_the_contract_says_so()
    {
        var review = await OpenReview.AddAsync(api, TimeSpan.FromHours(1));
        var worker = await api.WorkerAsync();
        await worker.ExecuteAsync("UPDATE job_waits SET timeout_at = now() WHERE job_id = @id", review.JobId);

        await worker.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        var job = await api.GetJobAsync(review.JobId);
        Assert.Equal(("failed", "review_rejected"), (job.Status, job.Error!.Code));
        var decision = (await OpenReview.GetAsync(api.Http, review.Id)).Decision!;
        Assert.Equal((ReviewDecisions.TimedOut, null), (decision.Kind, decision.By));
        using var late = await OpenReview.PostAsync(api.Http, review.Id, "approve", """{"version":1}""");
        Assert.Equal("review_decided", (await ApiServer.ReadProblemAsync(late)).Code);
    }

    private async Task<List<string>> AddAsTenantAsync(HttpClient http, int count)
    {
        var ids = new List<string>();
        for (var i = 0; i < count; i++)
        {
            using var sent = await ApiServer.PostAsync(http, System.Text.Encoding.UTF8.GetBytes(ApiServer.Chat));
            var job = await ApiServer.ReadJobAsync(sent);
            using var running = await (await api.WorkerAsync()).ClaimAsync(job.Id);
            Assert.True(await running.EndAsync(AttemptEnd.AskedForReview(new("""{"reason":"contract"}"""), "A draft.")));
            ids.Add($"{job.Id}-1");
        }

        return ids;
    }
}
