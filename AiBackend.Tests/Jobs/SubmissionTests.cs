using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

public sealed class SubmissionTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task A_thousand_parallel_submissions_are_all_stored_with_payload_and_first_event()
    {
        var drafts = Enumerable.Range(0, 1000).Select(_ => CoreHost.Draft()).ToList();

        var outcomes = await Task.WhenAll(drafts.Select(Core.Submission.SubmitAsync));

        Assert.All(outcomes, outcome => Assert.IsType<SubmitOutcome.Accepted>(outcome));
        Assert.Equal(1000, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs JOIN job_payloads ON job_id = id WHERE status = 1"));
        Assert.Equal(1000, await Core.ScalarAsync<int>("SELECT count(*) FROM job_events WHERE seq = 1 AND kind = 1"));
    }

    [Fact]
    public async Task I_3_fifty_parallel_submissions_of_one_key_make_one_job()
    {
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Core.Submission.SubmitAsync(CoreHost.Draft("same"))));

        Assert.Single(outcomes.OfType<SubmitOutcome.Accepted>());
        Assert.Single(outcomes.OfType<SubmitOutcome.Replayed>().Select(replayed => replayed.JobId).Distinct());
        Assert.Equal(49, outcomes.OfType<SubmitOutcome.Replayed>().Count());
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs"));
    }

    [Fact]
    public async Task I_3_one_key_with_another_body_is_refused_and_writes_nothing()
    {
        var first = await Core.SubmitAsync(CoreHost.Draft("k"));

        var outcome = await Core.Submission.SubmitAsync(CoreHost.Draft("k", """{"messages":[{"role":"user","content":"Other"}]}"""));

        Assert.Equal(new SubmitOutcome.KeyReused(first), outcome);
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs"));
    }

    [Fact]
    public async Task Two_tenants_may_use_the_same_key()
    {
        var first = CoreHost.Draft("k");
        var second = CoreHost.Draft("k") with { TenantId = Guid.CreateVersion7() };

        Assert.IsType<SubmitOutcome.Accepted>(await Core.Submission.SubmitAsync(first));
        Assert.IsType<SubmitOutcome.Accepted>(await Core.Submission.SubmitAsync(second));
    }

    [Fact]
    public async Task An_expired_key_makes_a_new_job()
    {
        var first = await Core.SubmitAsync(CoreHost.Draft("k"));
        await Core.ExecuteAsync("UPDATE idempotency_keys SET expires_at = now() - interval '1 second' WHERE job_id = @id", first);

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Core.Submission.SubmitAsync(CoreHost.Draft("k"))));

        Assert.Single(outcomes.OfType<SubmitOutcome.Accepted>());
        Assert.Equal(2, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs"));
    }

    [Fact]
    public async Task One_draft_that_Postgres_refuses_harms_no_other()
    {
        var bad = CoreHost.Draft() with { Title = "nul \0 byte" };
        var drafts = Enumerable.Range(0, 100).Select(i => i == 50 ? bad : CoreHost.Draft()).ToList();

        var submissions = drafts.Select(Core.Submission.SubmitAsync).ToList();

        await Assert.ThrowsAsync<Npgsql.PostgresException>(() => submissions[50]);
        submissions.RemoveAt(50);
        Assert.All(await Task.WhenAll(submissions), outcome => Assert.IsType<SubmitOutcome.Accepted>(outcome));
        Assert.Equal(99, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs"));
    }

    [Fact]
    public async Task A_refused_draft_leaves_its_connection_usable()
    {
        for (var i = 0; i < 6; i++)
        {
            await Core.SubmitAsync();
            await Assert.ThrowsAsync<Npgsql.PostgresException>(() =>
                Core.Submission.SubmitAsync(CoreHost.Draft() with { Title = "nul \0 byte" })
            );
        }

        await Core.SubmitAsync();
    }

    [Fact]
    public async Task A_submission_whose_commit_lost_its_reply_is_accepted_when_it_is_tried_again()
    {
        var (bare, keyed, later) = (CoreHost.Draft(), CoreHost.Draft(key: "k1"), CoreHost.Draft(key: "k2"));
        foreach (var draft in new[] { bare, keyed })
        {
            await Core.SubmitAsync(draft);
        }

        // In a batch of its own, and beside others.
        Assert.IsType<SubmitOutcome.Accepted>(await Core.Submission.SubmitAsync(bare));
        var again = await Task.WhenAll(new[] { bare, keyed, later }.Select(Core.Submission.SubmitAsync));

        Assert.All(again, outcome => Assert.IsType<SubmitOutcome.Accepted>(outcome));
        Assert.Equal(3, await Core.ScalarAsync<int>("SELECT count(*) FROM jobs"));
        Assert.Equal(3, await Core.ScalarAsync<int>("SELECT count(*) FROM job_events"));
    }

    [Fact]
    public async Task A_batch_that_goes_wrong_in_an_unforeseen_way_does_not_stop_the_next_one()
    {
        var draft = CoreHost.Draft();
        await Core.SubmitAsync(draft);
        // What says that the job exists is gone, so that the look for it throws.
        await Core.ExecuteAsync("DELETE FROM jobs WHERE id = @id", draft.Id);

        await Assert.ThrowsAnyAsync<Exception>(() => Task.WhenAll(Enumerable.Repeat(draft, 50).Select(Core.Submission.SubmitAsync)));

        await Core.SubmitAsync();
    }

    [Fact]
    public async Task A_job_for_later_is_scheduled_and_becomes_queued_when_due()
    {
        var id = await Core.SubmitAsync(CoreHost.Draft() with { NotBefore = TimeProvider.System.GetUtcNow().AddHours(1) });
        Assert.Equal(JobStatus.Scheduled, await Core.StatusAsync(id));
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);
        Assert.Equal(JobStatus.Scheduled, await Core.StatusAsync(id));

        await Core.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE id = @id", id);
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        Assert.Equal(JobStatus.Queued, await Core.StatusAsync(id));
    }

    [Fact]
    public async Task A_queued_job_whose_deadline_passed_fails_as_a_dead_letter()
    {
        var id = await Core.SubmitAsync(CoreHost.Draft() with { Deadline = TimeProvider.System.GetUtcNow().AddMilliseconds(-1) });

        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        var job = await Core.Reads.FindAsync(id, TestRun.Cancel);
        Assert.Equal(("failed", "deadline_exceeded"), (job!.Status, job.Error!.Code));
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters WHERE job_id = @id", id));
        Assert.Equal(JobEventKind.Final, (await Core.EventsAsync(id))[^1].Kind);
    }
}
