using AiBackend.Core.Money;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Money;

// How long an answer may be for a budget to hold.
public sealed partial class PaidJobTests
{
    [Fact]
    public async Task A_46_I_6_answers_that_go_on_for_ever_end_where_the_budget_does()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { output_tokens = 30_000, tokens_per_second = 20_000 });
        await using var worker = await StartAsync(database, [model]);
        var budget = await worker.BudgetAsync(0.05m, BudgetScope.Feature, "f");
        await worker.LookedAtAsync();
        for (var i = 0; i < 4; i++)
        {
            await worker.SubmitAsync(CoreHost.Draft() with { Feature = "f" });
        }

        // The first may write the longest answer, the second what that leaves; then there is too little for a likely one.
        await Eventually.GetAsync(
            _ =>
                worker.ScalarAsync<string>(
                    "SELECT string_agg(status || ' ' || coalesce(waiting_reason, ''), ', ' ORDER BY status, id) FROM jobs"
                ),
            all => all == "5 budget:feature:f:day, 5 budget:feature:f:day, 7 , 7 ",
            "two are done and two wait",
            TimeSpan.FromSeconds(60)
        );
        var one = await worker.ScalarAsync<Guid>("SELECT id FROM jobs WHERE status = 7 LIMIT 1");
        var done = (await worker.Reads.FindAsync(ApiKeyStore.DefaultTenant, one, TestRun.Cancel))!;
        Assert.Contains("output tokens that a budget, max_cost_usd or its run left for it", Assert.Single(done.Output!.Missing));
        await SettledAsync(worker);
        var now = await worker.ReadAsync(budget);
        // What is read of the prompt is an estimate, of a few tokens here.
        Assert.InRange(now.SettledUsd, 0.049m, 0.05m + 0.00005m);
        Assert.Equal(0, now.ReservedUsd);
        var told = (await simulator.CallsAsync(model, TestRun.Cancel)).Select(call => call.GetProperty("max_tokens").GetInt32());
        Assert.Equal(16_384, told.Max());
        Assert.All(told, most => Assert.InRange(most, 8_000, 16_384));
    }
}
