using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Admission;
using AiBackend.Core.Money;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Money;

/// <summary>A provider whose replies claim to be of another model. That is told as what it says; what counts is who was asked.</summary>
public sealed class ClaimedModelTests(PostgresServer postgres, RedisServer redis) : IClassFixture<RedisServer>
{
    private const string Asked = "small";

    // A deployment of the same provider, with a price and limits of its own.
    private const string Claimed = "large";

    private const long Limit = 100_000;

    public static TheoryData<string> Kinds => Wire.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_56_a_reply_that_claims_another_model_changes_neither_price_nor_limit_nor_ledger(string kind)
    {
        await using var provider = new RawProvider(
            RawReply.Stream(Wire.Answer(kind, "Hello").Replace("m-2026", Claimed, StringComparison.Ordinal))
        );
        await using var database = await postgres.CreateDatabaseAsync();
        await using var worker = await WorkerUnderTest.StartAsync(
            database,
            redis,
            [(provider.Address, Asked)],
            [
                ("AIBACKEND_PROVIDERS:0:KIND", kind),
                ("AIBACKEND_PROVIDERS:0:MODELS", $"{Asked},{Claimed}"),
                ("AIBACKEND_PROVIDERS:0:TOKENS_PER_MINUTE", $"{Limit}"),
                .. Price(0, Asked, "1", "2"),
                .. Price(1, Claimed, "100", "200"),
            ]
        );
        var budget = await worker.BudgetAsync(1m);

        var job = await worker.RunJobAsync(CoreHost.Draft());

        // Cached tokens have no price of their own here.
        const decimal Cost = (12 * 1m + 5 * 2m) / 1_000_000m;
        Assert.Equal(("completed", "p0", Asked), (job.Status, job.ServedBy!.Provider, job.ServedBy.Model));
        Assert.Equal(Claimed, job.ServedBy.ModelVersion);
        Assert.Equal(Cost, job.Usage!.CostUsd);
        await worker.UntilAsync(budget, settled: Cost, reserved: 0);
        var entry = Assert.Single(await SettledAsync(worker, job));
        Assert.Equal(("p0", Asked, 1, Cost), (entry.Provider, entry.Model, entry.PriceVersion, entry.CostUsd));
        Assert.Equal((12, 5, false), (entry.InputTokens, entry.OutputTokens, entry.UsageDisputed));
        // The other price would have set a hundred times as much aside.
        Assert.InRange(entry.ReservedUsd!.Value, Cost, 0.05m);
        Assert.True(
            await worker.ScalarAsync<bool>(
                $"SELECT count(*) = 1 AND bool_and(provider = 'p0' AND model = '{Asked}' AND cost_usd = {Cost.ToString(System.Globalization.CultureInfo.InvariantCulture)}) FROM usage_days"
            )
        );
        var used = await Eventually.GetAsync(
            token => new LimitUse(worker.Database).ReadAsync(token),
            used => used.TryGetValue($"p0/{Asked}", out var asked) && asked is { InputTokens: 12, OutputTokens: 5 },
            "what it used counts against the limit of who was asked"
        );
        Assert.Equal(new UsedLimits(1, 12, 5, 0), used[$"p0/{Asked}"]);
        Assert.Equal(default, used.GetValueOrDefault($"p0/{Claimed}"));
    }

    private static Task<IReadOnlyList<LedgerEntry>> SettledAsync(CoreHost worker, Job job) =>
        Eventually.GetAsync(
            token => new LedgerReads(worker.Database).OfAsync(ApiKeyStore.DefaultTenant, job.Id, token),
            entries => entries.Count > 0 && entries.All(entry => entry.EndedAt is not null),
            "the call is settled"
        );

    private static IEnumerable<(string, string)> Price(int index, string model, string input, string output) =>
        [
            ($"Money:Prices:{index}:Provider", "p0"),
            ($"Money:Prices:{index}:Model", model),
            ($"Money:Prices:{index}:Input", input),
            ($"Money:Prices:{index}:Output", output),
        ];
}
