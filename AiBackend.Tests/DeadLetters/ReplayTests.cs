using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.DeadLetters;

/// <summary>An ended job runs again as a new one, and a dead letter only once.</summary>
public sealed class ReplayTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task Fifty_replays_of_one_dead_letter_at_once_make_one_job()
    {
        var dead = await Core.DieAsync();

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => ReplayAsync(new(ApiKeyStore.DefaultTenant, dead, "key"))));

        var done = outcomes.Cast<ReplayOutcome.Done>().ToList();
        Assert.Single(done.Select(outcome => outcome.NewJobId).Distinct());
        Assert.Single(done, outcome => !outcome.Repeat);
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM job_payloads WHERE replay_of = @id", dead));
        Assert.Equal(JobStatus.Failed, await Core.StatusAsync(dead));
    }

    [Fact]
    public async Task A_replay_runs_to_its_end_like_any_job()
    {
        var dead = await Core.DieAsync(draft: CoreHost.Draft() with { KeyId = "whose" });

        var done = Assert.IsType<ReplayOutcome.Done>(await ReplayAsync(new(ApiKeyStore.DefaultTenant, dead, "key")));
        Assert.Equal("whose", await Core.ScalarAsync<string>("SELECT key_id FROM job_payloads WHERE job_id = @id", done.NewJobId));
        await Core.EndAsync(done.NewJobId, AttemptEnd.Succeeded("at last"));

        var job = (await Core.Reads.FindAsync(ApiKeyStore.DefaultTenant, done.NewJobId, TestRun.Cancel))!;
        Assert.Equal(("completed", "at last", (Guid?)dead), (job.Status, job.Output!.Text, job.ReplayOf));
        var events = await Core.EventsAsync(done.NewJobId);
        Assert.Equal(Enumerable.Range(1, events.Count), events.Select(entry => entry.Seq));
    }

    [Fact]
    public async Task Of_a_replay_and_a_discard_at_once_both_leave_one_truth()
    {
        for (var round = 0; round < 20; round++)
        {
            var dead = await Core.DieAsync();
            var discarding = Core.Get<DiscardDeadLetter>().RunAsync(ApiKeyStore.DefaultTenant, dead, "key", TestRun.Cancel);
            var replayed = Assert.IsType<ReplayOutcome.Done>(await ReplayAsync(new(ApiKeyStore.DefaultTenant, dead, "key")));

            var letter = (await Core.Get<DeadLetterReads>().FindAsync(ApiKeyStore.DefaultTenant, dead, TestRun.Cancel))!;
            Assert.Equal(replayed.NewJobId, letter.ReplayedBy);
            Assert.True(await discarding is DiscardOutcome.Done or DiscardOutcome.Replayed);
        }
    }

    [Fact]
    public async Task A_letter_whose_payload_is_gone_is_not_marked_as_replayed()
    {
        var dead = await Core.DieAsync();
        var source = (await Core.Get<ReplayJob>().FindAsync(ApiKeyStore.DefaultTenant, dead, TestRun.Cancel))!;
        await Core.ExecuteAsync("DELETE FROM job_payloads WHERE job_id = @id", dead);

        var outcome = await Core.Get<ReplayJob>().RunAsync(source, new(ApiKeyStore.DefaultTenant, dead, "key"), TestRun.Cancel);

        Assert.IsType<ReplayOutcome.NotFound>(outcome);
        Assert.Null((await Core.Get<DeadLetterReads>().FindAsync(ApiKeyStore.DefaultTenant, dead, TestRun.Cancel))!.ReplayedBy);
    }

    [Fact]
    public async Task A_job_that_runs_is_not_copied_whoever_asks()
    {
        var running = await Core.SubmitAsync();
        var source = (await Core.Get<ReplayJob>().FindAsync(ApiKeyStore.DefaultTenant, running, TestRun.Cancel))!;

        Assert.Equal(JobStatus.Queued, source.Status);
        Assert.IsType<ReplayOutcome.NotFound>(
            await Core.Get<ReplayJob>().RunAsync(source, new(ApiKeyStore.DefaultTenant, running, "key"), TestRun.Cancel)
        );
    }

    private async Task<ReplayOutcome> ReplayAsync(ReplayOrder order)
    {
        var replay = Core.Get<ReplayJob>();
        return await replay.RunAsync((await replay.FindAsync(order.TenantId, order.JobId, TestRun.Cancel))!, order, TestRun.Cancel);
    }
}
