using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Admission;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Providers.Admission;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Money;

/// <summary>A-46: where money or tokens are limited, an answer without a bound of its caller's has one, and what it may cost at most is set aside.</summary>
public sealed class BoundedAnswerTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    /// <summary>Twelve characters, and no word of how long the answer may be.</summary>
    private static readonly CallSize Unbounded = new(12, null);

    private const int Longest = 16_384;

    [Fact]
    public async Task A_46_I_6_of_64_calls_without_a_bound_at_once_those_go_whose_longest_answers_the_budget_pays()
    {
        var budget = await Core.BudgetAsync(0.1m);
        await using var spending = await StartAsync();

        var entries = await Task.WhenAll(
            (await JobsAsync(64)).Select(job => Task.Run(() => spending.EnterAsync(job.Call(0).Caller).AsTask()))
        );

        var bounds = entries.OfType<CallEntry.Admitted>().Select(entry => entry.Permit.MaxOutputTokens!.Value).OrderDescending();
        // A dollar for a million: six of the longest, and one of what they leave.
        Assert.Equal([.. Enumerable.Repeat(Longest, 6), 100_000 - (6 * Longest)], bounds);
        Assert.All(
            entries.Where(entry => entry is not CallEntry.Admitted),
            entry => Assert.Equal("budget:tenant:day", Assert.IsType<CallEntry.Unpaid>(entry).Reason)
        );
        Assert.Equal(0.1m, (await Core.ReadAsync(budget)).ReservedUsd);
    }

    [Fact]
    public async Task A_46_what_an_answer_did_not_use_of_its_bound_pays_for_the_next_one()
    {
        await Core.BudgetAsync(0.0165m);
        await using var spending = await StartAsync();
        var jobs = await JobsAsync(2);
        var first = Assert.IsType<CallEntry.Admitted>(await spending.EnterAsync(jobs[0].Call(0).Caller)).Permit;
        Assert.IsType<CallEntry.Unpaid>(await spending.EnterAsync(jobs[1].Call(0).Caller));

        Assert.True(await first.ConfirmAsync(TestRun.Cancel));
        first.Settle(new JobUsage(0, 0, 100, null), isFree: false, isDisputed: false);

        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<bool>("SELECT reserved_usd = 0 AND settled_usd = 0.0001 FROM budgets"),
            "it is settled"
        );
        var second = Assert.IsType<CallEntry.Admitted>(await spending.EnterAsync(jobs[1].Call(0).Caller)).Permit;
        Assert.Equal(Longest, second.MaxOutputTokens);
    }

    [Fact]
    public async Task A_46_the_next_call_of_the_same_job_has_what_the_last_one_left()
    {
        await Core.BudgetAsync(0.017m);
        await using var spending = await StartAsync();
        var caller = (await Core.SpenderAsync()).Call(0).Caller;
        var first = Assert.IsType<CallEntry.Admitted>(await spending.EnterAsync(caller)).Permit;
        Assert.True(await first.ConfirmAsync(TestRun.Cancel));

        first.Settle(new JobUsage(0, 0, 100, null), isFree: false, isDisputed: false);
        var second = await spending.EnterAsync(caller with { Call = 1 });

        Assert.Equal(Longest, Assert.IsType<CallEntry.Admitted>(second).Permit.MaxOutputTokens);
    }

    [Fact]
    public async Task A_46_the_maximum_of_a_job_bounds_its_answers_one_after_the_other()
    {
        await using var spending = await StartAsync();
        var caller = (await Core.SpenderAsync(CoreHost.Draft() with { MaxCostUsd = 0.002m })).Call(0).Caller;

        var first = Assert.IsType<CallEntry.Admitted>(await spending.EnterAsync(caller)).Permit;
        Assert.Equal(2_000, first.MaxOutputTokens);
        Assert.True(await first.ConfirmAsync(TestRun.Cancel));
        first.Settle(new JobUsage(0, 0, 700, null), isFree: false, isDisputed: false);

        var second = await spending.EnterAsync(caller with { Call = 1 });
        Assert.Equal(1_300, Assert.IsType<CallEntry.Admitted>(second).Permit.MaxOutputTokens);
        // What is likely is taken by the second.
        var third = await spending.EnterAsync(caller with { Call = 2 });
        Assert.Equal(1_300 - 512, Assert.IsType<CallEntry.Admitted>(third).Permit.MaxOutputTokens);
        var fourth = await spending.EnterAsync(caller with { Call = 3 });
        Assert.Equal(CallEntry.Unpaid.MaxCost, Assert.IsType<CallEntry.Unpaid>(fourth).Reason);
    }

    [Fact]
    public async Task A_46_the_money_and_the_tokens_of_a_run_bound_the_answers_of_its_parts_and_leave_room_for_their_siblings()
    {
        await Core.BudgetAsync(1m);
        await using var spending = await StartAsync();
        var jobs = await JobsAsync(4);
        var tokens = new CallRun(Guid.CreateVersion7(), null, 3_003);
        var money = new CallRun(Guid.CreateVersion7(), 0.004m, null);

        Assert.Equal(3_000, await BoundAsync(jobs[0], tokens));
        Assert.Equal(3_000 - 515, await BoundAsync(jobs[1], tokens));
        Assert.Equal(4_000, await BoundAsync(jobs[2], money));
        Assert.Equal(4_000 - 512, await BoundAsync(jobs[3], money));

        async Task<int?> BoundAsync(ClaimedJob job, CallRun run) =>
            Assert.IsType<CallEntry.Admitted>(await spending.EnterAsync(job.Call(0).OfRun(run).Caller)).Permit.MaxOutputTokens;
    }

    [Fact]
    public async Task A_46_a_deployment_s_own_bound_holds_and_a_prompt_has_room_beside_it()
    {
        await Core.BudgetAsync(1m);
        await using var spending = await StartAsync();
        var jobs = await JobsAsync(3);

        var brief = Spending.Deployment with { MaxOutputTokens = 256 };
        var small = Spending.Deployment with { ContextTokens = 2_000 };
        var first = await spending.Gate.EnterAsync(brief, Unbounded, jobs[0].Call(0).Caller, TestRun.Cancel);
        var second = await spending.Gate.EnterAsync(small, new CallSize(4_000, null), jobs[1].Call(0).Caller, TestRun.Cancel);

        Assert.Equal(256, Assert.IsType<CallEntry.Admitted>(first).Permit.MaxOutputTokens);
        Assert.Equal(2_000 - 1_000 - 250 - 64, Assert.IsType<CallEntry.Admitted>(second).Permit.MaxOutputTokens);
        // Where little is left the answer has half of it.
        var third = await spending.Gate.EnterAsync(small, new CallSize(6_800, null), jobs[2].Call(0).Caller, TestRun.Cancel);
        Assert.Equal(150, Assert.IsType<CallEntry.Admitted>(third).Permit.MaxOutputTokens);
    }

    [Fact]
    public async Task A_46_what_a_provider_bills_beyond_such_bounds_is_learned_and_set_aside_too()
    {
        await Core.BudgetAsync(1m);
        await using var spending = await StartAsync();
        var brief = Spending.Deployment with { MaxOutputTokens = 600 };
        foreach (var job in await JobsAsync(8))
        {
            var permit = Assert
                .IsType<CallEntry.Admitted>(await spending.Gate.EnterAsync(brief, Unbounded, job.Call(0).Caller, TestRun.Cancel))
                .Permit;
            Assert.True(await permit.ConfirmAsync(TestRun.Cancel));
            permit.Settle(new JobUsage(0, 0, 700, null), isFree: false, isDisputed: false);
            await (spending.Ledger.EndingOf(job.Lease.JobId) ?? Task.CompletedTask);
        }

        var next = await spending.Gate.EnterAsync(brief, Unbounded, (await Core.SpenderAsync()).Call(0).Caller, TestRun.Cancel);

        Assert.Equal(600, Assert.IsType<CallEntry.Admitted>(next).Permit.MaxOutputTokens);
        Assert.Equal(0.0007m, await Core.ScalarAsync<decimal>("SELECT reserved_usd FROM budgets"));
    }

    [Fact]
    public async Task A_46_bounds_that_answers_do_not_reach_hide_nothing_that_is_billed_beyond_others()
    {
        await Core.BudgetAsync(10m);
        await using var spending = await StartAsync();
        var caller = (await Core.SpenderAsync()).Call(0).Caller;
        var bounded = new CallSize(12, 600);
        for (var call = 0; call < 88; call++)
        {
            var (size, used) = call % 11 == 0 ? (bounded, 700) : (Unbounded, 100);
            var permit = Assert.IsType<CallEntry.Admitted>(await spending.EnterAsync(caller with { Call = call }, size)).Permit;
            permit.Settle(new JobUsage(0, 0, used, null), isFree: false, isDisputed: false);
        }

        await (spending.Ledger.EndingOf(caller.WorkId) ?? Task.CompletedTask);
        await spending.EnterAsync(caller with { Call = 88 }, bounded);

        Assert.Equal(0.0007m, await Core.ScalarAsync<decimal>("SELECT reserved_usd FROM budgets"));
    }

    [Fact]
    public async Task A_46_what_nobody_knows_is_booked_at_what_is_likely_or_was_read_and_not_at_all_it_might_have_had()
    {
        await Core.BudgetAsync(1m);
        await using var spending = await StartAsync();
        var caller = (await Core.SpenderAsync()).Call(0).Caller;
        var first = Assert.IsType<CallEntry.Admitted>(await spending.EnterAsync(caller)).Permit;
        first.Settle(first.UsageOfCut(100), isFree: false, isDisputed: false);
        var second = Assert.IsType<CallEntry.Admitted>(await spending.EnterAsync(caller with { Call = 1 })).Permit;
        second.Settle(second.UsageOfCut(2_000), isFree: false, isDisputed: false);
        await (spending.Ledger.EndingOf(caller.WorkId) ?? Task.CompletedTask);

        Assert.Equal((CallState.Unknown, 0.000512m), (await Core.CallsAsync(caller.WorkId))[0]);
        Assert.Equal((CallState.Settled, 0.002m), (await Core.CallsAsync(caller.WorkId))[1]);
        Assert.True(await Core.ScalarAsync<bool>("SELECT reserved_usd = 0 AND settled_usd = 0.002512 FROM budgets"));
    }

    [Fact]
    public async Task Where_nothing_is_limited_or_the_caller_has_said_how_long_it_may_be_no_bound_is_set()
    {
        await using var spending = await StartAsync();
        var jobs = await JobsAsync(3);
        await Core.BudgetAsync(0m, hard: false);

        Assert.Null(Assert.IsType<CallEntry.Admitted>(await spending.EnterAsync(jobs[0].Call(0).Caller)).Permit.MaxOutputTokens);
        await Core.BudgetAsync(1m, BudgetScope.Global);
        var bounded = await spending.EnterAsync(jobs[1].Call(0).Caller, new CallSize(12, 600));
        Assert.Null(Assert.IsType<CallEntry.Admitted>(bounded).Permit.MaxOutputTokens);
        Assert.Equal(0.0006m, await Core.ScalarAsync<decimal>("SELECT reserved_usd FROM budgets WHERE hard"));
    }

    [Fact]
    public async Task A_repeat_after_a_lost_reply_is_told_the_same_bound()
    {
        await Core.BudgetAsync(0.01m);
        await using var spending = await StartAsync();
        var caller = (await Core.SpenderAsync()).Call(0).Caller;

        var first = Assert.IsType<CallEntry.Admitted>(await spending.EnterAsync(caller)).Permit;
        var again = Assert.IsType<CallEntry.Admitted>(await spending.EnterAsync(caller)).Permit;

        Assert.Equal((10_000, 10_000), (first.MaxOutputTokens, again.MaxOutputTokens));
        Assert.Equal(0.01m, await Core.ScalarAsync<decimal>("SELECT reserved_usd FROM budgets"));
    }

    private async Task<List<ClaimedJob>> JobsAsync(int count)
    {
        var jobs = new List<ClaimedJob>();
        for (var i = 0; i < count; i++)
        {
            jobs.Add(await Core.SpenderAsync());
        }

        return jobs;
    }

    private async Task<Spender> StartAsync()
    {
        var prices = new PriceStore(Core.Database);
        await prices.AddAsync("p0", "m", new PriceRates(0, 0, 1, 1), null, "key", TestRun.Cancel);
        var ledger = Core.NewLedger();
        var book = new PriceBook(prices, Core.Get<IStorageWatch>(), Options.Create(new PriceOptions()), TimeProvider.System);
        return new Spender(ledger, book, Core.NewGate(ledger, book));
    }

    private sealed record Spender(CallLedger Ledger, PriceBook Book, CallGate Gate) : IAsyncDisposable
    {
        public ValueTask<CallEntry> EnterAsync(ChatCaller caller, CallSize? size = null) =>
            Gate.EnterAsync(Spending.Deployment, size ?? Unbounded, caller, TestRun.Cancel);

        public async ValueTask DisposeAsync()
        {
            await Ledger.DisposeAsync();
            Book.Dispose();
        }
    }
}
