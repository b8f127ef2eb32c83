using AiBackend.Core.Admission;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Money;

/// <summary>What becomes of calls whose worker dies, is late, or never says how they ended.</summary>
public sealed class LedgerTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    protected override IEnumerable<(string Key, string Value)> HostSettings => [CoreHost.PatientWithLocks];

    [Fact]
    public async Task A_rescue_releases_what_was_reserved_and_books_what_was_sent_as_unknown_spend()
    {
        var budget = await Core.BudgetAsync(1m);
        await using var ledger = Core.NewLedger();
        var job = await Core.SpenderAsync();
        await ledger.ReserveAsync(job.Call(0.10m), TestRun.Cancel);
        await ledger.ReserveAsync(job.Call(0.20m, call: 1), TestRun.Cancel);
        Assert.True(await ledger.ConfirmAsync(job.Call(0.20m, call: 1).Caller, TestRun.Cancel));

        await Core.ExpireLeaseAsync(job.Lease.JobId);
        Assert.Equal(1, await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel));

        Assert.Equal([(CallState.Released, 0m), (CallState.Unknown, 0.20m)], await Core.CallsAsync(job.Lease.JobId));
        var now = await Core.ReadAsync(budget);
        Assert.Equal((0.20m, 0m), (now.SettledUsd, now.ReservedUsd));
        // The worker was only frozen: it may not send what was released, and gets nothing new.
        Assert.False(await ledger.ConfirmAsync(job.Call(0.10m).Caller, TestRun.Cancel));
        Assert.Equal(Reserved.LeaseIsOver, (await ledger.ReserveAsync(job.Call(0.10m, call: 2), TestRun.Cancel)).BlockedBy);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_call_whose_job_is_cancelled_while_it_is_written_down_gives_everything_back(bool hasBudget)
    {
        var budget = hasBudget ? await Core.BudgetAsync(1m) : null;
        await using var ledger = Core.NewLedger();
        var job = await Core.SpenderAsync();
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        await using var other = await Core.Database.OpenConnectionAsync(TestRun.Cancel);
        await using (var held = await other.BeginTransactionAsync(TestRun.Cancel))
        {
            await using var hold = new NpgsqlCommand("LOCK TABLE provider_calls IN SHARE MODE", other, held);
            await hold.ExecuteNonQueryAsync(TestRun.Cancel);
            var reserving = ledger.ReserveAsync(job.Call(0.20m), cancel.Token);
            await Eventually.TrueAsync(
                async _ =>
                    await Core.ScalarAsync<int>(
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%admit_calls%' AND pid <> pg_backend_pid()"
                    ) == 1,
                "it is being written down"
            );
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reserving);
        }

        await Eventually.TrueAsync(
            async _ => await Core.CallsAsync(job.Lease.JobId) is [(CallState.Released, 0m)],
            "it is noted as not made"
        );
        Assert.Equal(0, await Core.ScalarAsync<int>("SELECT count(*) FROM usage_days"));
        if (budget is not null)
        {
            Assert.Equal(0m, (await Core.ReadAsync(budget)).ReservedUsd);
        }
    }

    [Fact]
    public async Task A_settlement_that_comes_late_corrects_what_was_booked()
    {
        var budget = await Core.BudgetAsync(1m);
        await using var ledger = Core.NewLedger();
        var job = await Core.SpenderAsync();
        await ledger.ReserveAsync(job.Call(0.20m), TestRun.Cancel);
        await ledger.ConfirmAsync(job.Call(0.20m).Caller, TestRun.Cancel);
        await Core.ExpireLeaseAsync(job.Lease.JobId);
        await Core.Get<RescueJobs>().RunAsync(TestRun.Cancel);

        ledger.Settle(job.Call(0.20m).Used(0.05m));
        await Core.UntilAsync(budget, 0.05m, 0m);

        Assert.Equal([(CallState.Settled, 0.05m)], await Core.CallsAsync(job.Lease.JobId));
        Assert.True(await Core.ScalarAsync<bool>("SELECT (calls, unknown_calls, cost_usd, unknown_usd) = (1, 0, 0.05, 0) FROM usage_days"));
    }

    [Fact]
    public async Task A_56_a_usage_that_cannot_be_true_is_booked_as_what_was_reserved_and_marked_once()
    {
        var budget = await Core.BudgetAsync(1m);
        await using var ledger = Core.NewLedger();
        var job = await Core.SpenderAsync();
        await ledger.ReserveAsync(job.Call(0.20m), TestRun.Cancel);
        await ledger.ReserveAsync(job.Call(0.20m, call: 1), TestRun.Cancel);

        ledger.Settle(job.Call(0.20m).UsedUnknown() with { IsDisputed = true });
        ledger.Settle(job.Call(0.20m).UsedUnknown() with { IsDisputed = true });
        await Core.UntilAsync(budget, 0.20m, 0.20m);
        ledger.Settle(job.Call(0.20m, call: 1).Used(0.05m));
        await Core.UntilAsync(budget, 0.25m, 0m);

        Assert.True(await Core.ScalarAsync<bool>("SELECT array_agg(usage_disputed ORDER BY call) = '{t,f}' FROM provider_calls"));
        Assert.True(await Core.ScalarAsync<bool>("SELECT (calls, unknown_calls, disputed_calls) = (2, 1, 1) FROM usage_days"));
    }

    [Fact]
    public async Task A_correction_of_an_earlier_window_makes_no_room_in_this_one()
    {
        var budget = await Core.BudgetAsync(1m, period: BudgetPeriod.Hour);
        await using var ledger = Core.NewLedger();
        var job = await Core.SpenderAsync();
        await ledger.ReserveAsync(job.Call(0.50m), TestRun.Cancel);
        ledger.Settle(job.Call(0.50m).UsedUnknown());
        await Core.UntilAsync(budget, 0.50m, 0m);
        await Core.ExecuteAsync("UPDATE budgets SET window_at = window_at - interval '1 hour'", Guid.Empty);
        await Core.ExecuteAsync("UPDATE provider_calls SET ended_at = ended_at - interval '1 hour'", Guid.Empty);
        await ledger.ReserveAsync(job.Call(0.10m, call: 1), TestRun.Cancel);
        ledger.Settle(job.Call(0.10m, call: 1).Used(0.10m));
        await Core.UntilAsync(budget, 0.10m, 0m);

        ledger.Settle(job.Call(0.50m).Used(0.01m));

        await Eventually.TrueAsync(async _ => (await Core.CallsAsync(job.Lease.JobId))[0] is (CallState.Settled, 0.01m), "it is corrected");
        Assert.Equal(0.10m, (await Core.ReadAsync(budget)).SettledUsd);
    }

    [Fact]
    public async Task Calls_of_a_job_that_ended_without_a_word_about_them_are_booked_by_the_leader()
    {
        var budget = await Core.BudgetAsync(1m);
        await using var ledger = Core.NewLedger();
        var id = await Core.SubmitAsync();
        using var running = await Core.ClaimAsync(id);
        var held = await Core.SpenderAsync();
        await ledger.ReserveAsync(running.Job.Call(0.10m), TestRun.Cancel);
        await ledger.ConfirmAsync(running.Job.Call(0.10m).Caller, TestRun.Cancel);
        await ledger.ReserveAsync(held.Call(0.30m), TestRun.Cancel);
        Assert.True(await running.EndAsync(AttemptEnd.Succeeded("done")));

        var close = new CloseAbandonedCalls(
            Core.Database,
            Microsoft.Extensions.Logging.Abstractions.NullLogger<CloseAbandonedCalls>.Instance
        );
        Assert.Equal(0, await close.RunAsync(TimeSpan.FromMinutes(1), TestRun.Cancel));
        Assert.Equal(1, await close.RunAsync(TimeSpan.Zero, TestRun.Cancel));

        Assert.Equal([(CallState.Unknown, 0.10m)], await Core.CallsAsync(id));
        // A call of a job that runs is nobody's to book, however long it takes.
        Assert.Equal((0.10m, 0.30m), (await Core.ReadAsync(budget) is var now ? (now.SettledUsd, now.ReservedUsd) : default));
    }
}
