using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Money;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Money;

/// <summary>What calls cost: exact, by a price that never changes.</summary>
public sealed class PriceTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private static readonly PriceRates Rates = new(3m, 0.3m, 15m, 12m);

    [Fact]
    public void P_18_a_cost_is_exact_and_tells_cached_and_reasoning_tokens_apart()
    {
        var usage = new JobUsage(1_000, 400, 300, null) { ReasoningTokens = 100 };

        Assert.Equal(600 * 0.000003m + 400 * 0.0000003m + 200 * 0.000015m + 100 * 0.000012m, Rates.CostOf(usage));
        Assert.Equal(0.006120m, Rates.CostOf(usage));
        // More cached tokens than there are tokens: a provider that is wrong is not paid for it.
        Assert.Equal(Rates.CostOf(new JobUsage(10, 10, 0, null)), Rates.CostOf(new JobUsage(10, 99, 0, null)));
    }

    [Fact]
    public void P_18_the_costs_of_parts_are_the_cost_of_the_whole_whatever_the_price()
    {
        var random = new Random(18);
        for (var round = 0; round < 2_000; round++)
        {
            decimal Rate() => decimal.Round((decimal)random.NextDouble() * (round % 3 == 0 ? 1_000 : 1), PriceRates.Decimals);
            var rates = new PriceRates(Rate(), Rate(), Rate(), Rate());
            var parts = Enumerable
                .Range(0, random.Next(1, 9))
                .Select(_ =>
                {
                    var (input, output) = (random.NextInt64(2_000_000), random.NextInt64(2_000_000));
                    return new JobUsage(input, random.NextInt64(input + 1), output, null)
                    {
                        ReasoningTokens = random.NextInt64(output + 1),
                    };
                })
                .ToList();
            var whole = new JobUsage(
                parts.Sum(part => part.InputTokens),
                parts.Sum(part => part.CachedTokens),
                parts.Sum(part => part.OutputTokens),
                null
            )
            {
                ReasoningTokens = parts.Sum(part => part.ReasoningTokens),
            };

            Assert.Equal(rates.CostOf(whole), parts.Sum(rates.CostOf));
        }
    }

    [Fact]
    public async Task P_18_a_price_is_never_changed_and_a_new_one_is_another_version()
    {
        var prices = new PriceStore(Core.Database);
        var first = await prices.AddAsync("p0", "m", Rates, null, "key", TestRun.Cancel);
        var twins = await Task.WhenAll(
            Enumerable.Range(0, 8).Select(i => prices.AddAsync("p0", "m", Rates with { Output = i }, null, "key", TestRun.Cancel))
        );

        Assert.Equal(1, first.Version);
        Assert.Equal(Enumerable.Range(2, 8), twins.Select(price => price.Version).Order());
        await Assert.ThrowsAsync<PostgresException>(() => Core.ExecuteAsync("UPDATE prices SET output = 0", Guid.Empty));
        await Assert.ThrowsAsync<PostgresException>(() => Core.ExecuteAsync("DELETE FROM prices", Guid.Empty));
    }

    [Fact]
    public async Task Configuration_adds_a_version_when_it_changes_and_not_at_every_start()
    {
        var prices = new PriceStore(Core.Database);
        var configured = new ConfiguredPrice
        {
            Provider = "p0",
            Model = "m",
            Input = 1,
            Output = 2,
        };
        await prices.SeedAsync([configured], TestRun.Cancel);
        await prices.SeedAsync([configured], TestRun.Cancel);
        await prices.AddAsync("p0", "m", Rates, null, "key", TestRun.Cancel);
        await prices.SeedAsync([configured], TestRun.Cancel);

        // What somebody set since stays.
        Assert.Equal(["configuration", "key"], (await prices.ListAsync("p0", "m", TestRun.Cancel)).Select(price => price.SetBy));
        configured.Output = 3;
        await prices.SeedAsync([configured], TestRun.Cancel);
        var last = (await prices.ListAsync("p0", "m", TestRun.Cancel))[^1];
        Assert.Equal((3, new PriceRates(1, 1, 3, 3)), (last.Version, last.Rates));
    }
}
