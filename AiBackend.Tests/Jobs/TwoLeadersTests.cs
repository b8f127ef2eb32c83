using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

/// <summary>Leadership is economy alone: what two leaders do at once is done once.</summary>
public sealed class TwoLeadersTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private const int Jobs = 400;

    private readonly RedisServer _redis = redis;

    // Each waits for all that those before it do to the same rows.
    protected override IEnumerable<(string Key, string Value)> HostSettings => [CoreHost.PatientWithLocks];

    [Fact]
    public async Task F_41_two_leaders_rescue_advance_and_dispatch_at_once_and_every_job_moves_once()
    {
        await using var second = await CoreHost.StartAsync(Db.ConnectionString, _redis.ConnectionString, null, HostSettings);
        var lost = await Task.WhenAll(Enumerable.Range(0, Jobs).Select(_ => Core.SubmitAsync()));
        await Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, lost, CoreHost.Lease, TestRun.Cancel);
        var due = TimeProvider.System.GetUtcNow().AddHours(1);
        await Task.WhenAll(Enumerable.Range(0, Jobs).Select(_ => Core.SubmitAsync(CoreHost.Draft() with { NotBefore = due })));
        await Core.ExecuteAsync("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE status = 2 AND id <> @id", Guid.Empty);
        await Core.ExecuteAsync("UPDATE jobs SET due_at = now() - interval '1 s' WHERE status = 0 AND id <> @id", Guid.Empty);

        CoreHost[] leaders = [Core, second, Core, second];
        var rescued = await Task.WhenAll(leaders.Select(leader => leader.Get<RescueJobs>().RunAsync(TestRun.Cancel)));
        await Task.WhenAll(leaders.Select(leader => leader.Get<AdvanceDueJobs>().RunAsync(TestRun.Cancel)));
        await Task.WhenAll(((CoreHost[])[Core, second]).Select(leader => leader.Get<DispatchBacklog>().RunAsync(TestRun.Cancel)));

        Assert.Equal(Jobs, rescued.Sum());
        Assert.Equal(2 * Jobs, await Core.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 1"));
        Assert.Equal(Jobs, await Core.ScalarAsync<long>("SELECT count(*) FROM job_attempts"));
        Assert.Equal(Jobs, await Core.ScalarAsync<long>("SELECT count(*) FROM job_events WHERE kind = 4"));
        Assert.Equal(
            0,
            await Core.ScalarAsync<long>(
                "SELECT count(*) FROM jobs j WHERE last_seq <> (SELECT count(*) FROM job_events e WHERE e.job_id = j.id) OR crash_count > 1"
            )
        );
        // Offered twice is harmless: each is claimed once.
        var ids = await Core.Get<IQueuedJobs>().FindAsync(2 * Jobs, TimeSpan.Zero, TestRun.Cancel);
        var claims = await Task.WhenAll(
            leaders.Select(leader => leader.Get<ClaimJobs>().RunAsync(leader.WorkerId, ids, CoreHost.Lease, TestRun.Cancel))
        );
        Assert.Equal(2 * Jobs, claims.Sum(claimed => claimed.Count));
    }
}
