using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

public sealed class ClaimTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task A_job_past_its_deadline_is_not_started() => await IsLeftAsync("deadline = now()");

    [Fact]
    public async Task Work_that_this_build_does_not_know_waits_for_a_worker_that_does() => await IsLeftAsync("type = 99");

    [Fact]
    public async Task A_job_that_a_caller_has_cancelled_is_not_started() => await IsLeftAsync("cancel_requested = true");

    [Fact]
    public async Task A_claim_knows_whose_job_it_is()
    {
        var id = await Core.SubmitAsync(CoreHost.Draft() with { Feature = "summaries", EndUser = "u-17", KeyId = "k1" });

        var job = (await Core.ClaimAsync(id)).Job;

        Assert.Equal((ApiKeyStore.DefaultTenant, "summaries", "u-17", "k1"), (job.TenantId, job.Feature, job.EndUser, job.KeyId));
    }

    private async Task IsLeftAsync(string change)
    {
        var id = await Core.SubmitAsync();
        var other = await Core.SubmitAsync();
        await Core.ExecuteAsync($"UPDATE jobs SET {change} WHERE id = @id", id);

        var claimed = await Core.Get<ClaimJobs>().RunAsync(Core.WorkerId, [id, other], CoreHost.Lease, TestRun.Cancel);

        Assert.Equal(other, Assert.Single(claimed).Lease.JobId);
        Assert.Equal(JobStatus.Queued, await Core.StatusAsync(id));
    }
}
