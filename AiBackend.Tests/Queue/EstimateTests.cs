using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Estimates;
using AiBackend.Core.Queue.Order;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Queue;

/// <summary>What jobs will take, learned from those that ended.</summary>
public sealed class EstimateTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task Estimates_are_learned_for_each_feature_and_any_process_that_starts_later_knows_them()
    {
        await RunAsync("quick", seconds: 0.25, tokens: 100, count: 6);
        await RunAsync("thorough", seconds: 30, tokens: 4000, count: 12);
        await RunAsync("rare", seconds: 500, tokens: 9, count: 2);

        await Core.Get<LearnEstimates>().RunAsync(TestRun.Cancel);
        var estimates = new JobEstimates(Core.Database, TimeProvider.System);
        await estimates.RefreshAsync(TestRun.Cancel);

        Assert.Equal(new JobEstimate(0.25, 0.25, 100, 100), estimates.Find(ApiKeyStore.DefaultTenant, "default", "quick"));
        Assert.Equal(30, estimates.Find(ApiKeyStore.DefaultTenant, "default", "thorough")!.RunP50);
        // Too few to go by: what the tenant's jobs of the model took, and for a stranger what anybody's took.
        Assert.Equal(
            new JobEstimate(30, 30, 4000, 4000),
            estimates.Find(ApiKeyStore.DefaultTenant, "default", "rare")! with
            {
                RunP90 = 30,
            }
        );
        Assert.Equal(4000, estimates.Find(Guid.CreateVersion7(), "default", "quick")!.TokensP50);
        Assert.Null(estimates.Find(ApiKeyStore.DefaultTenant, "another", "quick"));
        var draft = estimates.Estimate(CoreHost.Draft() with { Feature = "quick" });
        Assert.Equal((100, JobLength.Of(TimeSpan.FromSeconds(0.25))), (draft.ExpectedTokens, draft.ExpectedLength));
        Assert.Contains(new LengthLoad(8, 6, 1.5), Core.Get<RecentLoads>().ByLength);
    }

    [Fact]
    public async Task A_look_reads_what_changed_since_the_last_one_and_what_is_old_is_forgotten()
    {
        var estimates = new JobEstimates(Core.Database, TimeProvider.System);
        await Core.ExecuteAsync(
            """
            INSERT INTO job_estimates (tenant_id, model, feature, samples, run_p50, run_p90, tokens_p50, tokens_p90, updated_at)
            SELECT @id, 'm', 'f' || n, 5, n, n, n, n, now() - CASE WHEN n <= 6001 THEN interval '15 days' ELSE interval '2 minutes' END
              FROM generate_series(1, 6010) n
            """,
            ApiKeyStore.DefaultTenant
        );
        Assert.Equal(6010, await estimates.RefreshAsync(TestRun.Cancel));

        await Core.ExecuteAsync(
            "UPDATE job_estimates SET run_p50 = 77, updated_at = now() WHERE tenant_id = @id AND feature = 'f6003'",
            ApiKeyStore.DefaultTenant
        );

        Assert.InRange(await estimates.RefreshAsync(TestRun.Cancel), 1, 10);
        Assert.Equal(1, await estimates.RefreshAsync(TestRun.Cancel));
        Assert.Equal(77, estimates.Find(ApiKeyStore.DefaultTenant, "m", "f6003")!.RunP50);
        Assert.Equal(6009, estimates.Find(ApiKeyStore.DefaultTenant, "m", "f6009")!.RunP50);
        Assert.Equal(5000, await Core.Get<PruneEstimates>().RunAsync(TestRun.Cancel));
        Assert.Equal(1001, await Core.Get<PruneEstimates>().RunAsync(TestRun.Cancel));
        Assert.Equal(9, await Core.ScalarAsync<int>("SELECT count(*) FROM job_estimates"));
        var plan = await Core.ScalarAsync<string>(
            "EXPLAIN (FORMAT JSON) SELECT 1 FROM job_estimates WHERE updated_at > now() ORDER BY updated_at DESC LIMIT 20000"
        );
        Assert.Contains("job_estimates_by_age", plan, StringComparison.Ordinal);
    }

    private async Task RunAsync(string feature, double seconds, int tokens, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var id = await Core.SubmitAsync(CoreHost.Draft() with { Feature = feature });
            var running = await Core.ClaimAsync(id);
            Assert.True(await running.EndAsync(AttemptEnd.Succeeded("text") with { Usage = new JobUsage(tokens - 1, 0, 1, null) }));
            await Core.ExecuteAsync(
                FormattableString.Invariant(
                    $"UPDATE job_attempts SET started_at = ended_at - interval '{seconds} seconds' WHERE job_id = @id"
                ),
                id
            );
        }
    }
}
