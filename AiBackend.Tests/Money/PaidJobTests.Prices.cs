using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Worker;

namespace AiBackend.Tests.Money;

// What has which price, or none.
public sealed partial class PaidJobTests
{
    [Fact]
    public async Task P_18_a_call_costs_what_its_price_was_when_it_was_made()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 5, ttft_ms = 8000 });
        await using var worker = await StartAsync(database, [model]);
        var draft = CoreHost.Draft();
        await worker.SubmitAsync(draft);
        await Eventually.TrueAsync(async token => (await simulator.CallsAsync(model, token)).Count == 1, "it is asked");

        await worker.Get<PriceStore>().AddAsync("p0", model, new PriceRates(100, 100, 200, 200), null, "key", TestRun.Cancel);
        await Eventually.TrueAsync(
            async token => (await worker.Get<PriceBook>().FindAsync("p0", model, token))!.Rates.Output == 200,
            "the worker knows the new price"
        );
        Assert.Equal(JobStatus.Processing, await worker.StatusAsync(draft.Id));
        await DoneAsync(worker, 1);
        await simulator.BehaveAsync(model, new { words = 5 });
        var before = (await worker.Reads.FindAsync(draft.Id, TestRun.Cancel))!.Usage!;
        var after = (await worker.RunJobAsync(CoreHost.Draft())).Usage!;

        Assert.Equal((before.InputTokens * 1m + before.OutputTokens * 2m) / 1_000_000m, before.CostUsd);
        Assert.Equal((after.InputTokens * 100m + after.OutputTokens * 200m) / 1_000_000m, after.CostUsd);
    }

    [Fact]
    public async Task The_cost_of_a_deployment_without_a_price_is_unknown()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 5 });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));

        var job = await worker.RunJobAsync(CoreHost.Draft());

        Assert.Null(job.Usage!.CostUsd);
        Assert.Equal((CallState.Settled, (decimal?)null), Assert.Single(await SettledAsync(worker, job.Id)));
    }

    [Fact]
    public async Task A_job_waits_for_a_price_and_goes_on_when_there_is_one()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await WorkerUnderTest.StartAsync(database, redis, (simulator.Address, model));
        await worker.BudgetAsync(1m);
        await worker.SubmitAsync();
        await Eventually.TrueAsync(
            async _ =>
                await worker.ScalarAsync<int>(
                    $"SELECT count(*) FROM jobs WHERE waiting_reason = 'budget:unpriced:p0/{model}' AND status = 5"
                ) == 1,
            "it waits for a price"
        );

        await worker.Get<PriceStore>().AddAsync("p0", model, new PriceRates(1, 1, 2, 2), null, "key", TestRun.Cancel);

        await DoneAsync(worker, 1);
    }
}
