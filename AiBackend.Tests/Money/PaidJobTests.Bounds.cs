using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using AiBackend.Tests.Worker;

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
        await Eventually.TrueAsync(
            async _ =>
                await worker.ScalarAsync<bool>(
                    "SELECT count(*) FILTER (WHERE status = 7) >= 2 AND count(*) FILTER (WHERE status = 5 AND waiting_reason = 'budget:feature:f:day') >= 1 AND count(*) FILTER (WHERE status IN (5, 7)) = 4 FROM jobs"
                ),
            "some are cut off and the others wait",
            TimeSpan.FromSeconds(60)
        );
        var one = await worker.ScalarAsync<Guid>("SELECT id FROM jobs WHERE status = 7 LIMIT 1");
        var done = (await worker.Reads.FindAsync(ApiKeyStore.DefaultTenant, one, TestRun.Cancel))!;
        Assert.Contains(
            "it has no max_output_tokens, and a budget, max_cost_usd or its run limits it",
            Assert.Single(done.Output!.Missing)
        );
        await SettledAsync(worker);
        var now = await worker.ReadAsync(budget);
        // What is read of the prompt is an estimate, of a few tokens here.
        Assert.InRange(now.SettledUsd, 0.049m, 0.05m + 0.00005m);
        Assert.Equal(0, now.ReservedUsd);
        var told = (await simulator.CallsAsync(model, TestRun.Cancel)).Select(call => call.GetProperty("max_tokens").GetInt32());
        Assert.Equal(16_384, told.Max());
    }

    [Fact]
    public async Task A_46_those_who_waited_go_on_one_after_the_other_where_a_raised_limit_pays_one_longest_answer()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 2 });
        await using var worker = await StartAsync(database, [model]);
        var budget = await worker.BudgetAsync(0.0001m, BudgetScope.Feature, "f");
        await worker.LookedAtAsync();
        for (var i = 0; i < 5; i++)
        {
            await worker.SubmitAsync(CoreHost.Draft() with { Feature = "f" });
        }

        await Eventually.TrueAsync(async _ => await worker.ScalarAsync<int>("SELECT count(*) FROM jobs WHERE status = 5") == 5, "all wait");

        await new BudgetStore(worker.Database, worker.Database).ChangeAsync(budget with { LimitUsd = 0.033m }, "key", TestRun.Cancel);

        await DoneAsync(worker, 5);
    }

    [Fact]
    public async Task A_46_a_job_with_a_maximum_asks_the_next_provider_with_what_those_before_have_left()
    {
        await using var database = await postgres.CreateDatabaseAsync();
        var model = await simulator.ModelAsync(new { words = 5, cut_after_tokens = 2 });
        var other = await simulator.ModelAsync(
            new
            {
                words = 5,
                error_rate = 1,
                error_status = 503,
            }
        );
        var answers = await simulator.ModelAsync(new { words = 5 });
        await using var worker = await StartAsync(database, [other, model, answers]);

        // Little more than two likely answers: each call before the last would hold it all, if all of it were set aside.
        var job = await worker.RunJobAsync(CoreHost.Draft() with { MaxCostUsd = 0.0025m });

        Assert.Equal(JobStatuses.Completed, job.Status);
        Assert.Equal("p2", job.ServedBy!.Provider);
    }
}
