using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

public sealed class CancelTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task A_waiting_job_is_cancelled_at_once_and_an_ended_one_is_not()
    {
        var id = await Core.SubmitAsync();
        var tenant = CoreHost.Draft().TenantId;
        var cancel = Core.Get<CancelJob>();

        Assert.IsType<CancelOutcome.NotFound>(await cancel.RunAsync(Guid.CreateVersion7(), id, TestRun.Cancel));
        Assert.IsType<CancelOutcome.Accepted>(await cancel.RunAsync(tenant, id, TestRun.Cancel));
        Assert.Equal(new CancelOutcome.AlreadyEnded(JobStatus.Cancelled), await cancel.RunAsync(tenant, id, TestRun.Cancel));
        Assert.Equal(JobEventKind.Final, (await Core.EventsAsync(id))[^1].Kind);
    }

    [Fact]
    public async Task I_20_a_cancel_that_an_attempt_s_failure_overtakes_is_not_forgotten()
    {
        var id = await Core.SubmitAsync();
        using var running = await Core.ClaimAsync(id);
        await Core.Get<CancelJob>().RunAsync(CoreHost.Draft().TenantId, id, TestRun.Cancel);
        await running.EndAsync(AttemptEnd.GivenBack());
        Assert.Equal(JobStatus.Queued, await Core.StatusAsync(id));

        Assert.Empty(await Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, [id], CoreHost.Lease, TestRun.Cancel));
        await Core.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel);

        Assert.Equal(JobStatus.Cancelled, await Core.StatusAsync(id));
        Assert.Equal(JobEventKind.Final, (await Core.EventsAsync(id))[^1].Kind);
    }

    [Fact]
    public async Task I_20_of_a_cancel_and_a_result_that_race_one_wins_and_the_job_ends_once()
    {
        for (var round = 0; round < 20; round++)
        {
            var id = await Core.SubmitAsync();
            using var running = await Core.ClaimAsync(id);

            await Task.WhenAll(
                Core.Get<CancelJob>().RunAsync(CoreHost.Draft().TenantId, id, TestRun.Cancel),
                running.EndAsync(AttemptEnd.Succeeded("done"))
            );

            Assert.Equal(JobStatus.Completed, await Core.StatusAsync(id));
            Assert.Single(await Core.EventsAsync(id), record => record.Kind == JobEventKind.Final);
        }
    }
}
