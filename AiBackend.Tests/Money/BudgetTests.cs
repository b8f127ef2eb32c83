using AiBackend.Core.Admission;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Providers.Admission;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Money;

/// <summary>No more is spent than a budget allows, whoever asks and however many at once.</summary>
public sealed class BudgetTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task I_6_A_45_of_64_calls_of_ten_cents_at_once_a_dollar_admits_exactly_ten()
    {
        var budget = await Core.BudgetAsync(1m);
        var ledgers = Enumerable.Range(0, 4).Select(_ => Core.NewLedger()).ToList();
        var jobs = new List<ClaimedJob>();
        for (var i = 0; i < 64; i++)
        {
            jobs.Add(await Core.SpenderAsync());
        }

        var answers = await Task.WhenAll(
            jobs.Select((job, i) => Task.Run(() => ledgers[i % ledgers.Count].ReserveAsync(job.Call(0.10m), TestRun.Cancel)))
        );

        Assert.Equal(10, answers.Count(answer => answer.State is CallState.Reserved));
        Assert.Equal(54, answers.Count(answer => answer is { State: null, BlockedBy: "budget:tenant:day" }));
        var now = await Core.ReadAsync(budget);
        Assert.Equal((0m, 1m), (now.SettledUsd, now.ReservedUsd));
        Assert.Equal(10, await Core.ScalarAsync<int>("SELECT count(*) FROM provider_calls"));
        foreach (var ledger in ledgers)
        {
            await ledger.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_price_that_was_set_a_moment_ago_is_known_to_a_call_that_needs_one()
    {
        await Core.BudgetAsync(1m);
        var job = await Core.SpenderAsync();
        await using var ledger = Core.NewLedger();
        var prices = new PriceStore(Core.Database);
        using var book = new PriceBook(prices, Core.Get<IStorageWatch>(), Options.Create(new PriceOptions()), new FakeTime());
        var call = job.Call(0.1m);
        Assert.Null(await book.FindAsync("p0", "m", TestRun.Cancel));
        await prices.AddAsync("p0", "m", new PriceRates(0, 0, 1, 1), null, "key", TestRun.Cancel);

        var entry = await Core.NewGate(ledger, book).EnterAsync(Spending.Deployment, new CallSize(1, 1), call.Caller, TestRun.Cancel);

        Assert.IsType<CallEntry.Admitted>(entry);
    }

    [Fact]
    public async Task I_6_what_the_caller_lets_be_written_is_reserved_whole()
    {
        var budget = await Core.BudgetAsync(0.10m);
        var job = await Core.SpenderAsync();
        await using var ledger = Core.NewLedger();
        var prices = new PriceStore(Core.Database);
        await prices.AddAsync("p0", "m", new PriceRates(0, 0, 1, 1), null, "key", TestRun.Cancel);
        using var book = new PriceBook(prices, Core.Get<IStorageWatch>(), Options.Create(new PriceOptions()), TimeProvider.System);
        var gate = Core.NewGate(ledger, book);

        var entry = await gate.EnterAsync(Spending.Deployment, new CallSize(4, 80_000), job.Call(0).Caller, TestRun.Cancel);

        Assert.IsType<CallEntry.Admitted>(entry);
        Assert.Equal(0.08m, (await Core.ReadAsync(budget)).ReservedUsd);
        Assert.IsType<CallEntry.Unpaid>(
            await gate.EnterAsync(Spending.Deployment, new CallSize(4, 80_000), job.Call(0, call: 1).Caller, TestRun.Cancel)
        );
    }

    [Fact]
    public async Task I_6_what_the_caller_lets_be_written_is_set_aside_whole_of_a_run_s_tokens_too()
    {
        var run = new CallRun(Guid.CreateVersion7(), null, 3000);
        var caller = (await Core.SpenderAsync()).Call(0).OfRun(run).Caller;
        await using var ledger = Core.NewLedger();
        using var book = new PriceBook(
            new PriceStore(Core.Database),
            Core.Get<IStorageWatch>(),
            Options.Create(new PriceOptions()),
            TimeProvider.System
        );
        var gate = Core.NewGate(ledger, book);

        // Answers are likely to be shorter, and two of this one do not fit.
        var first = await gate.EnterAsync(Spending.Deployment, new CallSize(4, 2000), caller, TestRun.Cancel);
        var second = await gate.EnterAsync(Spending.Deployment, new CallSize(4, 2000), caller with { Call = 1 }, TestRun.Cancel);

        Assert.IsType<CallEntry.Admitted>(first);
        Assert.Equal(2001, await Core.ScalarAsync<int>("SELECT sum(reserved_tokens) FROM provider_calls"));
        Assert.Equal(CallEntry.Unpaid.RunTokens, Assert.IsType<CallEntry.Unpaid>(second).Reason);
    }

    [Fact]
    public async Task I_6_every_budget_on_the_path_counts_or_none()
    {
        var tight = await Core.BudgetAsync(0.25m, BudgetScope.Feature, "summaries", BudgetPeriod.Hour);
        var wide = await Core.BudgetAsync(1m, BudgetScope.Global, "", BudgetPeriod.Month);
        var key = await Core.BudgetAsync(5m, BudgetScope.Key, "k1", BudgetPeriod.Total);
        var user = await Core.BudgetAsync(5m, BudgetScope.User, "u-17", BudgetPeriod.Minute);
        var other = await Core.BudgetAsync(0m, BudgetScope.Feature, "else");
        var soft = await Core.BudgetAsync(0m, BudgetScope.Tenant, hard: false);
        await using var ledger = Core.NewLedger();
        var job = await Core.SpenderAsync(CoreHost.Draft() with { Feature = "summaries", EndUser = "u-17", KeyId = "k1" });

        Assert.Equal(CallState.Reserved, (await ledger.ReserveAsync(job.Call(0.20m), TestRun.Cancel)).State);
        Assert.Equal("budget:feature:summaries:hour", (await ledger.ReserveAsync(job.Call(0.20m, call: 1), TestRun.Cancel)).BlockedBy);

        foreach (var budget in (Budget[])[tight, wide, key, user, soft])
        {
            Assert.Equal(0.20m, (await Core.ReadAsync(budget)).ReservedUsd);
        }

        Assert.Equal(0m, (await Core.ReadAsync(other)).ReservedUsd);
        ledger.Settle(job.Call(0.20m).Used(0.05m));
        await Core.UntilAsync(tight, 0.05m, 0m);
        await Core.UntilAsync(soft, 0.05m, 0m);
        Assert.Equal(CallState.Reserved, (await ledger.ReserveAsync(job.Call(0.20m, call: 1), TestRun.Cancel)).State);
    }

    [Fact]
    public async Task A_call_without_a_price_is_made_only_where_no_hard_budget_applies()
    {
        await using var ledger = Core.NewLedger();
        var free = await Core.SpenderAsync();
        Assert.Equal(CallState.Sent, (await ledger.ReserveAsync(free.Call(0) with { Price = null }, TestRun.Cancel)).State);
        var soft = await Core.BudgetAsync(1m, hard: false);
        Assert.Equal(CallState.Sent, (await ledger.ReserveAsync(free.Call(0, call: 1) with { Price = null }, TestRun.Cancel)).State);
        var hard = await Core.BudgetAsync(1m, period: BudgetPeriod.Month);

        var answer = await ledger.ReserveAsync(free.Call(0, call: 2) with { Price = null }, TestRun.Cancel);

        Assert.Equal((null, "budget:unpriced:p0/m"), (answer.State, answer.BlockedBy));
        ledger.Settle((free.Call(0) with { Price = null }).Used(0));
        await Eventually.TrueAsync(
            async _ => (await Core.CallsAsync(free.Lease.JobId))[0] is (CallState.Settled, null),
            "its cost is unknown and not zero"
        );
        Assert.Equal(0m, (await Core.ReadAsync(soft)).SettledUsd + (await Core.ReadAsync(hard)).SettledUsd);
    }

    [Fact]
    public async Task What_a_job_itself_may_cost_covers_all_its_calls()
    {
        await using var ledger = Core.NewLedger();
        var job = await Core.SpenderAsync(CoreHost.Draft() with { MaxCostUsd = 0.25m });
        Assert.NotNull((await ledger.ReserveAsync(job.Call(0.20m), TestRun.Cancel)).State);
        Assert.Equal(CallEntry.Unpaid.MaxCost, (await ledger.ReserveAsync(job.Call(0.10m, call: 1), TestRun.Cancel)).BlockedBy);

        ledger.Settle(job.Call(0.20m).Used(0.15m));
        await Eventually.TrueAsync(async _ => (await Core.CallsAsync(job.Lease.JobId))[0].State is CallState.Settled, "it is settled");

        Assert.NotNull((await ledger.ReserveAsync(job.Call(0.10m, call: 1), TestRun.Cancel)).State);
        Assert.Equal(CallEntry.Unpaid.MaxCost, (await ledger.ReserveAsync(job.Call(0.01m, call: 2), TestRun.Cancel)).BlockedBy);
    }

    [Fact]
    public async Task A_new_window_begins_with_nothing_spent_and_what_is_still_reserved()
    {
        var budget = await Core.BudgetAsync(1m, period: BudgetPeriod.Hour);
        await using var ledger = Core.NewLedger();
        var job = await Core.SpenderAsync();
        await ledger.ReserveAsync(job.Call(0.60m), TestRun.Cancel);
        ledger.Settle(job.Call(0.60m).Used(0.60m));
        await Core.UntilAsync(budget, 0.60m, 0m);
        await ledger.ReserveAsync(job.Call(0.30m, call: 1), TestRun.Cancel);
        var refused = await ledger.ReserveAsync(job.Call(0.20m, call: 2), TestRun.Cancel);
        Assert.InRange(refused.Delay, TimeSpan.Zero, TimeSpan.FromHours(1));

        await Core.ExecuteAsync("UPDATE budgets SET window_at = window_at - interval '1 hour'", Guid.Empty);

        var now = await Core.ReadAsync(budget);
        Assert.Equal((0m, 0.30m), (now.SettledUsd, now.ReservedUsd));
        Assert.NotNull((await ledger.ReserveAsync(job.Call(0.70m, call: 2), TestRun.Cancel)).State);
        Assert.Null((await ledger.ReserveAsync(job.Call(0.01m, call: 3), TestRun.Cancel)).State);
    }

    [Fact]
    public async Task A_repeat_after_a_lost_reply_pays_once()
    {
        var budget = await Core.BudgetAsync(1m);
        await using var ledger = Core.NewLedger();
        var job = await Core.SpenderAsync();

        Assert.Equal(CallState.Reserved, (await ledger.ReserveAsync(job.Call(0.80m), TestRun.Cancel)).State);
        Assert.Equal(CallState.Reserved, (await ledger.ReserveAsync(job.Call(0.80m), TestRun.Cancel)).State);
        ledger.Settle(job.Call(0.80m).Used(0.50m));
        ledger.Settle(job.Call(0.80m).Used(0.50m));
        await Core.UntilAsync(budget, 0.50m, 0m);

        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT sum(calls) FROM usage_days"));
        Assert.Equal(1, await Core.ScalarAsync<int>("SELECT count(*) FROM provider_calls"));
    }

    [Theory]
    [InlineData(1.0, null, "run_cost")]
    [InlineData(null, 1_000_000L, "run_tokens")]
    public async Task I_6_of_64_calls_of_a_run_s_steps_at_once_exactly_ten_fit_its_limit(double? dollars, long? tokens, string inTheWay)
    {
        var run = new CallRun(Guid.CreateVersion7(), (decimal?)dollars, tokens);
        var ledgers = Enumerable.Range(0, 4).Select(_ => Core.NewLedger()).ToList();
        var calls = new List<Reservation>();
        for (var i = 0; i < 64; i++)
        {
            calls.Add((await Core.SpenderAsync()).Call(0.10m).OfRun(run));
        }

        var answers = await Task.WhenAll(
            calls.Select((call, i) => Task.Run(() => ledgers[i % ledgers.Count].ReserveAsync(call, TestRun.Cancel)))
        );

        Assert.Equal(10, answers.Count(answer => answer.State is not null));
        Assert.Equal(54, answers.Count(answer => answer.State is null && answer.BlockedBy == inTheWay));
        // Another run has its own, and what was not used comes back.
        Assert.NotNull(
            (await ledgers[0].ReserveAsync(calls[0].OfRun(run with { Id = Guid.CreateVersion7() }, call: 1), TestRun.Cancel)).State
        );
        var first = Array.FindIndex(answers, answer => answer.State is not null);
        ledgers[0].Settle(calls[first].Used(0.01m));
        await Eventually.TrueAsync(
            async _ => (await ledgers[0].ReserveAsync(calls[first].OfRun(run, call: 2, usd: 0.09m), TestRun.Cancel)).State is not null,
            "there is room again"
        );
        Assert.Equal(inTheWay, (await ledgers[0].ReserveAsync(calls[first].OfRun(run, call: 3, usd: 0.01m), TestRun.Cancel)).BlockedBy);
        foreach (var ledger in ledgers)
        {
            await ledger.DisposeAsync();
        }
    }
}
