using AiBackend.Core.Admission;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Money;

/// <summary>P-6: whatever happens in whatever order, a budget holds exactly what its calls hold, and admits no more than its limit.</summary>
public sealed class BudgetModelTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private const string HeldSql = """
        SELECT (SELECT coalesce(sum(reserved_usd) FILTER (WHERE state IN (0, 1)), 0) FROM provider_calls WHERE budgets IS NOT NULL)
             = (SELECT reserved_usd FROM budgets WHERE scope = 1)
        """;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task P_6_any_interleaving_of_reserve_settle_release_expire_and_limit_change_keeps_the_books(int seed)
    {
        var random = new Random(seed);
        var budget = await Core.BudgetAsync(1m);
        await using var ledger = Core.NewLedger();
        var (limit, settled, calls) = (1m, 0m, 0);
        var open = new List<(ClaimedJob Job, int Call, decimal Usd, bool IsSent)>();
        var jobs = new List<ClaimedJob>();
        for (var i = 0; i < 4; i++)
        {
            jobs.Add(await KeptSpenderAsync());
        }

        for (var step = 0; step < 150; step++)
        {
            var at = open.Count == 0 ? -1 : random.Next(open.Count);
            switch (random.Next(10))
            {
                case < 4:
                    var (job, usd) = (jobs[random.Next(jobs.Count)], random.Next(1, 40) / 100m);
                    var answer = await ledger.ReserveAsync(job.Call(usd, ++calls), TestRun.Cancel);
                    Assert.Equal(settled + open.Sum(call => call.Usd) + usd <= limit, answer.State is not null);
                    if (answer.State is not null)
                    {
                        open.Add((job, calls, usd, false));
                    }

                    break;
                case 4 when at >= 0:
                    Assert.True(await ledger.ConfirmAsync(open[at].Job.Call(0, open[at].Call).Caller, TestRun.Cancel));
                    open[at] = open[at] with { IsSent = true };
                    break;
                case < 7 when at >= 0:
                    // Sometimes more than was reserved, which is all by which a limit may be passed.
                    var billed = open[at].Usd * random.Next(0, 12) / 10m;
                    ledger.Settle(open[at].Job.Call(open[at].Usd, open[at].Call).Used(billed));
                    settled += billed;
                    open.RemoveAt(at);
                    break;
                case 7 when at >= 0:
                    ledger.Settle(Settlement.Cancelled(open[at].Job.Call(open[at].Usd, open[at].Call), default));
                    open.RemoveAt(at);
                    break;
                case 8:
                    var lost = jobs[random.Next(jobs.Count)];
                    await Core.ExpireLeaseAsync(lost.Lease.JobId);
                    await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel);
                    settled += open.Where(call => call.Job == lost && call.IsSent).Sum(call => call.Usd);
                    open.RemoveAll(call => call.Job == lost);
                    jobs[jobs.IndexOf(lost)] = await KeptSpenderAsync();
                    break;
                default:
                    limit = random.Next(50, 1_000) / 100m;
                    await new BudgetStore(Core.Database, Core.Database).ChangeAsync(
                        budget with
                        {
                            LimitUsd = limit,
                        },
                        "key",
                        TestRun.Cancel
                    );
                    break;
            }

            await Core.UntilAsync(budget, settled, open.Sum(call => call.Usd));
        }

        Assert.True(await Core.ScalarAsync<bool>(HeldSql));
        Assert.True(calls > 20 && settled > 0);

        // A rescue takes every job whose lease is over, and all these steps may last longer than a lease.
        async Task<ClaimedJob> KeptSpenderAsync()
        {
            var spender = await Core.SpenderAsync();
            await Core.ExecuteAsync("UPDATE jobs SET lease_until = now() + interval '1 hour' WHERE id = @id", spender.Lease.JobId);
            return spender;
        }
    }

    [Fact]
    public async Task P_6_many_at_once_never_hold_more_than_the_limit_at_any_instant()
    {
        const decimal Limit = 2m;
        var budget = await Core.BudgetAsync(Limit);
        var second = await Core.BudgetAsync(Limit / 2, BudgetScope.Feature, "f");
        using var over = new CancellationTokenSource();
        var watching = WatchAsync(over.Token);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(seed => Task.Run(() => SpendAsync(seed), TestRun.Cancel)));
        await over.CancelAsync();
        await watching;

        await Eventually.TrueAsync(
            async _ => await Core.ScalarAsync<bool>("SELECT NOT EXISTS (SELECT 1 FROM provider_calls WHERE state IN (0, 1))"),
            "all is settled"
        );
        Assert.Equal(0m, (await Core.ReadAsync(budget)).ReservedUsd + (await Core.ReadAsync(second)).ReservedUsd);
        Assert.True(
            await Core.ScalarAsync<bool>(
                "SELECT (SELECT sum(cost_usd) FROM provider_calls) = (SELECT settled_usd FROM budgets WHERE scope = 1)"
            )
        );
        Assert.True(
            await Core.ScalarAsync<bool>(
                "SELECT (SELECT sum(cost_usd + unknown_usd) FROM usage_days) = (SELECT settled_usd FROM budgets WHERE scope = 1)"
            )
        );

        async Task SpendAsync(int seed)
        {
            var random = new Random(seed);
            await using var ledger = Core.NewLedger();
            var job = await Core.SpenderAsync(seed % 2 == 0 ? null : CoreHost.Draft() with { Feature = "f" });
            for (var call = 0; call < 40; call++)
            {
                var reservation = job.Call(random.Next(1, 30) / 100m, call);
                if ((await ledger.ReserveAsync(reservation, TestRun.Cancel)).State is null)
                {
                    continue;
                }

                ledger.Settle(
                    random.Next(3) == 0
                        ? Settlement.Cancelled(reservation, default)
                        : reservation.Used(reservation.Amount!.Value * random.Next(0, 4) / 10)
                );
            }
        }

        async Task WatchAsync(CancellationToken token)
        {
            while (!token.IsCancellationRequested)
            {
                Assert.True(await Core.ScalarAsync<bool>("SELECT bool_and(settled_usd + reserved_usd <= limit_usd) FROM budgets"));
            }
        }
    }
}
