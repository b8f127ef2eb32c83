using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

public sealed class RescueTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task F_42_a_job_that_ends_or_is_renewed_between_the_rescuers_two_statements_is_left_alone()
    {
        var ended = await Core.SubmitAsync();
        var renewed = await Core.SubmitAsync();
        using var ending = await Core.ClaimAsync(ended);
        using var renewing = await Core.ClaimAsync(renewed);
        await Core.ExpireLeaseAsync(ended);

        // An expired lease that nobody has taken over is still the worker's.
        Assert.True(await ending.EndAsync(AttemptEnd.Succeeded("done")));
        Assert.Empty(await Core.Get<IJobStore>().RescueAsync([ended, renewed], TestRun.Cancel));

        Assert.Equal(JobStatus.Completed, await Core.StatusAsync(ended));
        Assert.Equal(JobStatus.Processing, await Core.StatusAsync(renewed));
    }

    [Fact]
    public async Task F_43_ten_thousand_jobs_with_a_good_lease_do_not_hide_expired_ones_from_one_sweep()
    {
        // More than one page of the rescuer's.
        const int Good = 10_000;
        const int Stuck = 510;
        Guid[] ids = [.. Enumerable.Range(0, Good + Stuck).Select(_ => CoreHost.Draft().Id)];
        await using var seed = Core.Database.CreateCommand(
            """
            INSERT INTO jobs (id, tenant_id, type, status, priority, max_attempts, attempt, model, last_seq, lease_epoch, worker_id,
                              claimed_at, started_at, lease_until)
            SELECT id, $2, 1, 2, 1, 3, 1, 'default', 2, 1, $3, now(), now(),
                   now() + CASE WHEN n <= $4 THEN interval '1 hour' ELSE interval '-1 second' END
              FROM unnest($1) WITH ORDINALITY AS t (id, n)
            """
        );
        seed.Parameters.AddWithValue(ids);
        seed.Parameters.AddWithValue(ApiKeyStore.DefaultTenant);
        seed.Parameters.AddWithValue(Core.WorkerId);
        seed.Parameters.AddWithValue(Good);
        await seed.ExecuteNonQueryAsync(TestRun.Cancel);

        Assert.Equal(Stuck, await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel));

        Assert.Equal(Stuck, await Core.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 1 AND id > @id", ids[Good - 1]));
        Assert.Equal(Good, await Core.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 2 AND crash_count = 0"));
    }

    [Fact]
    public async Task I_13_a_job_that_keeps_losing_its_worker_fails_as_poison_after_the_third_time()
    {
        // A crash counts as a crash and not as a try: one allowed try is enough for three crashes.
        var id = await Core.SubmitAsync(CoreHost.Draft() with { MaxAttempts = 1 });
        for (var crash = 1; crash <= RescueJobs.MaxCrashes; crash++)
        {
            _ = crash <= RescueJobs.AloneAfter ? (await Core.ClaimAsync(id)).Job : await ClaimAloneAsync(id);
            await Core.ExpireLeaseAsync(id);
            Assert.Equal(1, await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel));
            var waiting = (await Core.Reads.FindAsync(id, TestRun.Cancel))!.Queue?.WaitingReason;
            Assert.Equal(((string?[])["capacity", "isolation", null])[crash - 1], waiting);
        }

        var job = await Core.Reads.FindAsync(id, TestRun.Cancel);
        Assert.Equal(("failed", "poison"), (job!.Status, job.Error!.Code));
        Assert.Equal(3, await Core.ScalarAsync<long>("SELECT excused FROM jobs WHERE id = @id", id));
    }

    private async Task<ClaimedJob> ClaimAloneAsync(Guid id) =>
        (await Core.Get<ClaimJobs>().RunAloneAsync(Core.WorkerId, id, CoreHost.Lease, TestRun.Cancel))!;
}
