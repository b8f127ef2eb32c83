using AiBackend.Core.Money;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Money;

/// <summary>Sums of days are kept for as long as the settings say, and no longer.</summary>
public sealed class PruneUsageTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task Old_sums_are_deleted_however_many_users_callers_named_and_younger_ones_stay()
    {
        await Core.ExecuteAsync(
            """
            INSERT INTO usage_days
            SELECT (now() AT TIME ZONE 'UTC')::date - d, @id, '', 'user-' || n, '', 'p', 'm', 1, 0, 0, 0, 0, 0, 0, 0, 0
              FROM generate_series(1, 6000) n, unnest(ARRAY[0, 9, 10, 11, 400]) d WHERE d > 10 OR n <= 3
            """,
            Guid.CreateVersion7()
        );
        var prune = new PruneUsage(Core.Database, Options.Create(new PriceOptions { KeepUsage = TimeSpan.FromDays(10) }));

        Assert.Equal(12_000, await prune.RunAsync(TestRun.Cancel));

        Assert.Equal(9, await Core.ScalarAsync<int>("SELECT count(*) FROM usage_days"));
        Assert.Equal(0, await prune.RunAsync(TestRun.Cancel));
    }
}
