using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

/// <summary>A job whose deadline passes while nobody works on it says so, whatever happened to it before.</summary>
public sealed class DeadlineTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task A_scheduled_job_starts_when_it_is_due_and_not_before()
    {
        var id = await Core.SubmitAsync(CoreHost.Draft() with { NotBefore = TimeProvider.System.GetUtcNow().AddHours(1) });
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);
        Assert.Empty(await Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, [id], CoreHost.Lease, TestRun.Cancel));
        var waiting = await Core.Reads.FindAsync(id, TestRun.Cancel);
        Assert.Equal(("scheduled", "scheduled"), (waiting!.Status, waiting.Queue!.WaitingReason));
        Assert.NotNull(waiting.NextAttemptAt);

        await Core.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE id = @id", id);
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        using var running = await Core.ClaimAsync(id);
        Assert.Equal(1, running.Job.Attempt);
    }

    [Fact]
    public async Task A_rescued_job_past_its_deadline_ends_for_that_reason_and_not_because_its_worker_was_lost()
    {
        var id = await Core.SubmitAsync(CoreHost.Draft() with { MaxAttempts = 1 });
        using var running = await Core.ClaimAsync(id);
        running.AppendText("half an ans");
        await Core.ExecuteAsync("UPDATE jobs SET deadline = now(), lease_until = now() - interval '1 second' WHERE id = @id", id);

        Assert.Equal(1, await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel));

        await AssertDeadlineExceededAsync(id);
    }

    [Fact]
    public async Task A_retrying_job_past_its_deadline_ends_for_that_reason_and_not_for_its_last_failure()
    {
        var id = await Core.SubmitAsync();
        using var running = await Core.ClaimAsync(id);
        await running.EndAsync(AttemptEnd.FailedForNow(new("provider_unavailable", "transient", "Away.", true), TimeSpan.FromHours(1)));
        Assert.Equal(JobStatus.Retrying, await Core.StatusAsync(id));
        // Due in the same moment: the deadline wins.
        await Core.ExecuteAsync("UPDATE jobs SET deadline = now(), due_at = now() WHERE id = @id", id);

        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        await AssertDeadlineExceededAsync(id);
    }

    private async Task AssertDeadlineExceededAsync(Guid id)
    {
        var job = await Core.Reads.FindAsync(id, TestRun.Cancel);
        Assert.Equal(("failed", "deadline_exceeded", "transient"), (job!.Status, job.Error!.Code, job.Error.Class));
        Assert.NotNull(job.FinishedAt);
        Assert.Equal(
            1,
            await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letters WHERE job_id = @id AND code = 'deadline_exceeded'", id)
        );
        Assert.Equal(JobEventKind.Final, (await Core.EventsAsync(id))[^1].Kind);
    }
}
