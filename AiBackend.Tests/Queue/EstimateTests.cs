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
