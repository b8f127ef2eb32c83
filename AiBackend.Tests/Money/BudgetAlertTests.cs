using AiBackend.Core.Alerts;
using AiBackend.Core.DeadLetters.Alerts;
using AiBackend.Core.Money;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiBackend.Tests.Money;

/// <summary>A budget that runs out calls for a person, once in a window.</summary>
public sealed class BudgetAlertTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task A_threshold_raises_one_alert_in_its_window_and_another_in_the_next()
    {
        var budget = await Core.BudgetAsync(1m, BudgetScope.Feature, "f");
        await using var ledger = Core.NewLedger();
        var job = await Core.SpenderAsync(CoreHost.Draft() with { Feature = "f" });
        var raise = new RaiseAlerts(
            Core.Database,
            [new BudgetAlerts(Core.Database)],
            Microsoft.Extensions.Options.Options.Create(new AlertOptions()),
            Core.Get<AlertMetrics>(),
            NullLogger<RaiseAlerts>.Instance
        );

        await SpendAsync(0.79m, call: 0);
        Assert.Equal(0, await raise.RunAsync(TestRun.Cancel));
        await SpendAsync(0.02m, call: 1);
        Assert.Equal(1, await raise.RunAsync(TestRun.Cancel));
        Assert.Equal(0, await raise.RunAsync(TestRun.Cancel));
        // What does not fit any more is the end of it, although a little is left.
        Assert.Null((await ledger.ReserveAsync(job.Call(0.30m, call: 2), TestRun.Cancel)).State);
        Assert.Equal(1, await raise.RunAsync(TestRun.Cancel));

        var alerts = await new AlertReads(Core.Database).ListAsync(ApiKeyStore.DefaultTenant, null, TestRun.Cancel);
        Assert.Equal([100L, 80L], alerts.Select(alert => alert.Value));
        Assert.All(alerts, alert => Assert.Equal(AlertRules.Budget, alert.Rule));
        Assert.Equal("The budget of feature 'f' (day) has reached 80 %: 0.81 of 1.00 US dollars are spent.", alerts[1].Message);
        Assert.StartsWith(
            "The budget of feature 'f' (day) has no room for the next call, so jobs wait: 0.81",
            alerts[0].Message,
            StringComparison.Ordinal
        );
        Assert.True((await Core.ReadAsync(budget)).IsRefusing);

        await Core.ExecuteAsync("UPDATE budgets SET window_at = window_at - interval '1 day'", Guid.Empty);
        Assert.Equal(0, await raise.RunAsync(TestRun.Cancel));
        Assert.Equal(0m, (await Core.ReadAsync(budget)).SettledUsd);

        async Task SpendAsync(decimal usd, int call)
        {
            await ledger.ReserveAsync(job.Call(usd, call), TestRun.Cancel);
            ledger.Settle(job.Call(usd, call).Used(usd));
            await Eventually.TrueAsync(
                async _ => (await Core.CallsAsync(job.Lease.JobId))[call].State is CallState.Settled,
                "it is settled"
            );
        }
    }
}
