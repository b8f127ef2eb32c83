using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

/// <summary>Jobs that wait for a tool or a person: they hold nothing, use up no try, and take exactly one answer.</summary>
public sealed class WaitTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    // Twenty wait for one row, one after the other.
    protected override IEnumerable<(string Key, string Value)> HostSettings => [CoreHost.PatientWithLocks];

    private static readonly JobQuestion Question = new("""{"tool":"lookup"}""");

    private AnswerWait Answer => Core.Get<AnswerWait>();

    [Fact]
    public async Task A_job_that_waits_holds_no_lease_and_no_slot_and_its_attempt_does_not_count()
    {
        var id = await AskAsync(AttemptEnd.AskedForTool(Question), text: "Let me look that up.", CoreHost.Draft() with { MaxAttempts = 1 });

        Assert.Equal(JobStatus.WaitingForTool, await Core.StatusAsync(id));
        Assert.Equal(
            1,
            await Core.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE id = @id AND lease_until IS NULL AND excused = 1", id)
        );
        var job = await Core.Reads.FindAsync(id, TestRun.Cancel);
        Assert.Equal(("waiting_for_tool", "tool"), (job!.Status, job.Queue!.WaitingReason));
        Assert.Equal(0, await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel));

        Assert.Equal(new AnswerOutcome.Taken(JobStatus.Queued), await Answer.ToolAnsweredAsync(Key(id), """{"found":1}""", TestRun.Cancel));
        using var next = await Core.ClaimAsync(id);
        Assert.Equal((2, 1), (next.Job.Attempt, next.Job.CountedAttempts));
        var wait = Assert.Single(await Core.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel));
        Assert.Equal((WaitKind.Tool, WaitAnswer.Continued, """{"found":1}"""), (wait.Kind, wait.Answer, wait.AnswerData));
        next.AppendText("Found one.");
        Assert.True(await next.EndAsync(AttemptEnd.Succeeded("Found one.")));
        Assert.Equal(
            [.. "state state delta reset state state state delta final".Split(' ')],
            (await Core.EventsAsync(id)).Select(record => record.Kind.ToWire())
        );
    }

    [Fact]
    public async Task The_trace_shows_how_long_a_job_waited_and_for_what()
    {
        var id = await AskAsync(AttemptEnd.AskedForReview(Question, "A draft."));
        await Answer.ReviewAcceptsAsync(Key(id), null, null, TestRun.Cancel);

        var trace = await Core.Get<JobTraces>().FindAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel);

        Assert.Equal(["queued", "waiting_for_review"], trace!.Waits.Select(wait => wait.Reason));
        Assert.True(trace.Waits[1].To >= trace.Waits[1].From);
        Assert.Equal("asked", Assert.Single(trace.Attempts).Outcome);
    }

    [Theory]
    [InlineData(null, "A draft.")]
    [InlineData("An edited \"draft\".\n", "An edited \"draft\".\n")]
    public async Task An_accepted_proposal_is_the_result_and_readers_of_the_log_see_the_same_text(string? edited, string expected)
    {
        var id = await AskAsync(AttemptEnd.AskedForReview(Question, "A draft."), text: "A dra");

        Assert.Equal(
            new AnswerOutcome.Taken(JobStatus.Completed),
            await Answer.ReviewAcceptsAsync(Key(id), edited, "\"fine\"", TestRun.Cancel)
        );

        var job = await Core.Reads.FindAsync(id, TestRun.Cancel);
        Assert.Equal(("completed", expected), (job!.Status, job.Output!.Text));
        var events = await Core.EventsAsync(id);
        Assert.Equal(Enumerable.Range(1, events.Count), events.Select(record => record.Seq));
        var last = events.Last(record => record.Kind == JobEventKind.Snapshot);
        Assert.Equal(expected, System.Text.Json.JsonSerializer.Deserialize(last.Data, ApiContracts.WireJson.Default.SnapshotEvent)!.Text);
        Assert.Equal(JobEventKind.Final, events[^1].Kind);
    }

    [Fact]
    public async Task A_refused_proposal_fails_the_job_as_a_dead_letter_and_its_text_does_not_count()
    {
        var id = await AskAsync(AttemptEnd.AskedForReview(Question, "A draft."));

        Assert.Equal(new AnswerOutcome.Taken(JobStatus.Failed), await Answer.ReviewRejectsAsync(Key(id), null, TestRun.Cancel));

        var job = await Core.Reads.FindAsync(id, TestRun.Cancel);
        Assert.Equal(("failed", "review_rejected", null), (job!.Status, job.Error!.Code, job.Output));
        Assert.Equal([JobEventKind.Reset, JobEventKind.Final], (await Core.EventsAsync(id)).TakeLast(2).Select(record => record.Kind));
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters WHERE job_id = @id", id));
    }

    [Fact]
    public async Task A_reviewer_who_wants_more_sends_the_job_back_to_the_queue_with_a_reset()
    {
        var id = await AskAsync(AttemptEnd.AskedForReview(Question, "A draft."));

        Assert.Equal(new AnswerOutcome.Taken(JobStatus.Queued), await Answer.ReviewContinuesAsync(Key(id), "\"longer\"", TestRun.Cancel));

        Assert.Equal([JobEventKind.Reset, JobEventKind.State], (await Core.EventsAsync(id)).TakeLast(2).Select(record => record.Kind));
        using var next = await Core.ClaimAsync(id);
        Assert.Equal(
            "\"longer\"",
            Assert.Single(await Core.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel)).AnswerData
        );
    }

    [Fact]
    public async Task I_4_of_twenty_answers_at_once_one_counts_and_the_others_are_told_so()
    {
        for (var round = 0; round < 5; round++)
        {
            var id = await AskAsync(AttemptEnd.AskedForReview(Question, "A draft."));

            var outcomes = await Task.WhenAll(
                Enumerable
                    .Range(0, 20)
                    .Select(i =>
                        (i % 3) switch
                        {
                            0 => Answer.ReviewAcceptsAsync(Key(id), null, null, TestRun.Cancel),
                            1 => Answer.ReviewRejectsAsync(Key(id), null, TestRun.Cancel),
                            _ => Answer.ReviewContinuesAsync(Key(id), null, TestRun.Cancel),
                        }
                    )
            );

            var taken = Assert.Single(outcomes.OfType<AnswerOutcome.Taken>());
            Assert.Equal(19, outcomes.OfType<AnswerOutcome.NotWaiting>().Count());
            Assert.Equal(taken.Status, await Core.StatusAsync(id));
            var events = await Core.EventsAsync(id);
            Assert.Equal(Enumerable.Range(1, events.Count), events.Select(record => record.Seq));
        }
    }

    [Fact]
    public async Task An_answer_to_an_earlier_question_is_not_taken_for_the_answer_to_the_next()
    {
        var id = await AskAsync(AttemptEnd.AskedForTool(Question));
        await Answer.ToolAnsweredAsync(Key(id), "1", TestRun.Cancel);
        using (var second = await Core.ClaimAsync(id))
        {
            await second.EndAsync(AttemptEnd.AskedForTool(Question));
        }

        Assert.Equal(
            new AnswerOutcome.NotWaiting(JobStatus.WaitingForTool),
            await Answer.ToolAnsweredAsync(Key(id), "1 again", TestRun.Cancel)
        );
        Assert.IsType<AnswerOutcome.NotWaiting>(await Answer.ReviewContinuesAsync(Key(id, attempt: 2), null, TestRun.Cancel));
        Assert.IsType<AnswerOutcome.NotFound>(
            await Answer.ToolAnsweredAsync(Key(id, attempt: 2) with { TenantId = Guid.CreateVersion7() }, "2", TestRun.Cancel)
        );
        Assert.IsType<AnswerOutcome.Taken>(await Answer.ToolAnsweredAsync(Key(id, attempt: 2), "2", TestRun.Cancel));
    }

    [Theory]
    [InlineData(WaitDefault.Fail, "failed", "wait_timeout")]
    [InlineData(WaitDefault.Continue, "queued", null)]
    [InlineData(WaitDefault.Accept, "completed", null)]
    public async Task What_nobody_answers_in_time_ends_as_the_question_said(WaitDefault onTimeout, string status, string? code)
    {
        var question = Question with { Timeout = TimeSpan.FromHours(1), OnTimeout = onTimeout };
        var id = await AskAsync(AttemptEnd.AskedForReview(question, "A draft."));
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);
        Assert.Equal(JobStatus.WaitingForReview, await Core.StatusAsync(id));

        await PassTimeoutAsync(id);
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        var job = await Core.Reads.FindAsync(id, TestRun.Cancel);
        Assert.Equal((status, code), (job!.Status, job.Error?.Code));
        Assert.Equal(onTimeout == WaitDefault.Accept ? "A draft." : null, job.Output?.Text);
        Assert.Equal(
            onTimeout == WaitDefault.Fail ? 1 : 0,
            await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters WHERE job_id = @id", id)
        );
        Assert.IsType<AnswerOutcome.NotWaiting>(await Answer.ReviewAcceptsAsync(Key(id), null, null, TestRun.Cancel));
        var wait = Assert.Single(await Core.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel));
        Assert.Equal(WaitAnswer.TimedOut, wait.Answer);
        var events = await Core.EventsAsync(id);
        Assert.Equal(Enumerable.Range(1, events.Count), events.Select(record => record.Seq));
    }

    [Fact]
    public async Task A_cancel_or_a_deadline_ends_a_job_that_waits_and_a_later_answer_finds_nobody_waiting()
    {
        var question = Question with { Timeout = TimeSpan.FromHours(1), OnTimeout = WaitDefault.Continue };
        var cancelled = await AskAsync(AttemptEnd.AskedForTool(question));
        var late = await AskAsync(AttemptEnd.AskedForTool(question));
        await Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, cancelled, TestRun.Cancel);
        await Core.ExecuteAsync("UPDATE jobs SET deadline = now() WHERE id = @id", late);
        Assert.Equal(
            new AnswerOutcome.NotWaiting(JobStatus.WaitingForTool),
            await Answer.ToolAnsweredAsync(Key(late), "1", TestRun.Cancel)
        );

        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);
        Assert.Equal((JobStatus.Cancelled, JobStatus.Failed), (await Core.StatusAsync(cancelled), await Core.StatusAsync(late)));
        Assert.Equal("deadline_exceeded", (await Core.Reads.FindAsync(late, TestRun.Cancel))!.Error!.Code);
        Assert.Equal(
            new AnswerOutcome.NotWaiting(JobStatus.Cancelled),
            await Answer.ToolAnsweredAsync(Key(cancelled), "1", TestRun.Cancel)
        );

        // What can no longer be answered must not be looked at for ever, even if the version before left it open.
        await Core.ExecuteAsync("UPDATE job_waits SET answered_at = NULL, answer = NULL WHERE job_id = @id", cancelled);
        await PassTimeoutAsync(cancelled);
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);
        var wait = Assert.Single(await Core.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, cancelled, TestRun.Cancel));
        Assert.Equal(WaitAnswer.Moot, wait.Answer);
    }

    [Fact]
    public async Task A_wait_without_a_timeout_is_closed_in_whatever_way_its_job_ends_without_an_answer()
    {
        var cancelled = await AskAsync(AttemptEnd.AskedForTool(Question));
        var overtaken = await AskAsync(AttemptEnd.AskedForReview(Question, "A draft."));
        var late = await AskAsync(AttemptEnd.AskedForTool(Question));
        var waiting = await AskAsync(AttemptEnd.AskedForTool(Question));

        await Core.Get<CancelJob>().RunAsync(ApiKeyStore.DefaultTenant, cancelled, TestRun.Cancel);
        await Core.ExecuteAsync("UPDATE jobs SET cancel_requested = true WHERE id = @id", overtaken);
        await Core.ExecuteAsync("UPDATE jobs SET deadline = now() WHERE id = @id", late);
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        foreach (
            var (id, answer) in new[]
            {
                (cancelled, WaitAnswer.Moot),
                (overtaken, WaitAnswer.Moot),
                (late, WaitAnswer.Moot),
                (waiting, (WaitAnswer?)null),
            }
        )
        {
            var wait = Assert.Single(await Core.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel));
            Assert.Equal(answer, wait.Answer);
        }

        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM job_waits WHERE answered_at IS NULL"));
    }

    [Fact]
    public async Task I_10_a_worker_whose_lease_was_taken_over_cannot_ask_for_the_job()
    {
        var id = await Core.SubmitAsync();
        using var zombie = await Core.ClaimAsync(id);
        await Core.ExpireLeaseAsync(id);
        await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel);
        using var current = await Core.ClaimAsync(id, Guid.CreateVersion7());

        Assert.False(await zombie.EndAsync(AttemptEnd.AskedForTool(Question)));

        Assert.Equal(JobStatus.Processing, await Core.StatusAsync(id));
        Assert.Empty(await Core.Get<WaitReads>().ListAsync(ApiKeyStore.DefaultTenant, id, TestRun.Cancel));
    }

    private async Task<Guid> AskAsync(AttemptEnd ask, string? text = null, JobDraft? draft = null)
    {
        var id = await Core.SubmitAsync(draft);
        using var running = await Core.ClaimAsync(id);
        if (text is not null)
        {
            running.AppendText(text);
        }

        Assert.True(await running.EndAsync(ask));
        return id;
    }

    private Task PassTimeoutAsync(Guid id) => Core.ExecuteAsync("UPDATE job_waits SET timeout_at = now() WHERE job_id = @id", id);

    private static WaitKey Key(Guid id, int attempt = 1) => new(ApiKeyStore.DefaultTenant, id, attempt);
}
