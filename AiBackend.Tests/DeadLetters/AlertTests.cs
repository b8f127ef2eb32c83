using System.Diagnostics.Metrics;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.Core.Alerts;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.DeadLetters.Alerts;
using AiBackend.Core.DeadLetters.Bulk;
using AiBackend.Core.Jobs;
using AiBackend.Core.Operations;
using AiBackend.Core.Queue;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.DeadLetters;

/// <summary>Nothing dies silently, and nothing cries for every job (I-12, F-44).</summary>
public sealed class AlertTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    private static readonly Guid Tenant = ApiKeyStore.DefaultTenant;

    private RaiseAlerts Leader => Core.Get<RaiseAlerts>();

    [Fact]
    public async Task I_12_every_cause_raises_one_alert_however_many_jobs_die_of_it_and_however_many_lead()
    {
        for (var i = 0; i < 20; i++)
        {
            await Core.DieAsync();
        }

        await Core.DieAsync(Dying.Timeout with { Code = "provider_unavailable" });
        var raised = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Leader.RunAsync(TestRun.Cancel)));
        await Core.DieAsync();
        await Leader.RunAsync(TestRun.Cancel);

        Assert.Equal(2, raised.Sum());
        var alerts = await ActiveAsync();
        Assert.Equal([21L, 1L], alerts.Select(alert => alert.Value).OrderDescending());
        Assert.Equal(
            0,
            await Core.ScalarAsync<int>(
                """
                SELECT count(*) FROM jobs j LEFT JOIN dead_letters d ON d.job_id = j.id
                 WHERE j.status = 8 AND j.error_class <> 'caller_error'
                   AND (d.message IS NULL OR NOT EXISTS (SELECT 1 FROM alerts a WHERE a.cause = d.fingerprint AND a.resolved_at IS NULL))
                """
            )
        );
        var alert = alerts.Single(alert => alert.Value == 21);
        Assert.Equal("Jobs fail for good with provider_timeout: Provider … sent no first token within … s.", alert.Message);
    }

    [Fact]
    public async Task What_is_over_is_forgotten_after_its_time_and_what_is_not_stays()
    {
        var dead = await Core.DieAsync();
        await Leader.RunAsync(TestRun.Cancel);
        await BeginDiscardAsync();
        await Task.WhenAll(PruneAsync(TimeSpan.Zero), PruneAsync(TimeSpan.Zero));
        Assert.Equal((1, 1, 1, 1), await RowsAsync());

        await Core.Get<RunBulkActions>().RunAsync(TestRun.Cancel);
        await Core.ExecuteAsync("UPDATE bulk_actions SET next_step_at = now()", Guid.Empty);
        await Core.Get<RunBulkActions>().RunAsync(TestRun.Cancel);
        await Core.ExecuteAsync("UPDATE alerts SET resolved_at = now()", Guid.Empty);
        await PruneAsync(TimeSpan.FromDays(1));
        Assert.Equal((1, 1, 1, 1), await RowsAsync());

        await PruneAsync(TimeSpan.Zero);
        Assert.Equal((0, 0, 0, 1), await RowsAsync());

        await Core.ExecuteAsync("DELETE FROM dead_letters WHERE job_id = @id", dead);
        await PruneAsync(TimeSpan.Zero);
        Assert.Equal((0, 0, 0, 0), await RowsAsync());

        Task PruneAsync(TimeSpan keep) => Core.Get<PruneDeadLetters>().RunAsync(keep, TestRun.Cancel);

        async Task BeginDiscardAsync() =>
            Assert.IsType<BeginOutcome.Begun>(
                await Core.Get<BeginBulkAction>()
                    .RunAsync(
                        new(BulkKind.Discard, new BulkSelection(Tenant, new DeadLetterFilter(), null), "key") { Canary = false, Rate = 10 },
                        TestRun.Cancel
                    )
            );

        async Task<(int Actions, int Items, int Alerts, int Groups)> RowsAsync() =>
            (
                await Core.ScalarAsync<int>("SELECT count(*) FROM bulk_actions"),
                await Core.ScalarAsync<int>("SELECT count(*) FROM bulk_items"),
                await Core.ScalarAsync<int>("SELECT count(*) FROM alerts"),
                await Core.ScalarAsync<int>("SELECT count(*) FROM dead_letter_groups")
            );
    }

    [Fact]
    public async Task F_44_a_replay_that_fails_again_is_not_another_alert()
    {
        var dead = await Core.DieAsync();
        await Leader.RunAsync(TestRun.Cancel);

        var replay = Core.Get<ReplayJob>();
        var source = (await replay.FindAsync(Tenant, dead, TestRun.Cancel))!;
        var done = (ReplayOutcome.Done)await replay.RunAsync(source, new(Tenant, dead, "key"), TestRun.Cancel);
        Assert.Equal(0, await Leader.RunAsync(TestRun.Cancel));
        await Core.EndAsync(done.NewJobId, AttemptEnd.FailedForGood(Dying.Timeout));
        await Core.Get<LabelDeadLetters>().RunAsync(TestRun.Cancel);

        Assert.Equal(0, await Leader.RunAsync(TestRun.Cancel));
        Assert.Single(await ActiveAsync());
    }

    [Fact]
    public async Task An_alert_is_over_when_its_cause_was_quiet_for_a_while_and_is_raised_anew_when_it_comes_back()
    {
        var dead = await Core.DieAsync();
        await Leader.RunAsync(TestRun.Cancel);
        var first = Assert.Single(await ActiveAsync());

        // It held all the time while nobody led: it is not over.
        await QuietAsync();
        Assert.Equal(0, await Leader.RunAsync(TestRun.Cancel));
        Assert.Equal(first.Id, Assert.Single(await ActiveAsync()).Id);
        await Core.Get<DiscardDeadLetter>().RunAsync(Tenant, dead, "key", TestRun.Cancel);
        await Leader.RunAsync(TestRun.Cancel);
        Assert.Single(await ActiveAsync());
        await QuietAsync();
        await Leader.RunAsync(TestRun.Cancel);
        Assert.Empty(await ActiveAsync());

        await Core.DieAsync();
        Assert.Equal(1, await Leader.RunAsync(TestRun.Cancel));
        Assert.NotEqual(first.Id, Assert.Single(await ActiveAsync()).Id);
    }

    [Fact]
    public async Task Too_many_letters_and_too_old_ones_raise_one_alert_each()
    {
        for (var i = 0; i < 99; i++)
        {
            await Core.DieAsync();
        }

        await Leader.RunAsync(TestRun.Cancel);
        Assert.DoesNotContain(await ActiveAsync(), alert => alert.Rule != AlertRules.Cause);
        var old = await Core.DieAsync();
        await Core.ExecuteAsync("UPDATE dead_letters SET at = now() - interval '49 hours' WHERE job_id = @id", old);
        await Leader.RunAsync(TestRun.Cancel);
        await Leader.RunAsync(TestRun.Cancel);

        var alerts = (await ActiveAsync()).ToDictionary(alert => alert.Rule, StringComparer.Ordinal);
        Assert.Equal([AlertRules.Age, AlertRules.Cause, AlertRules.Depth], alerts.Keys.Order(StringComparer.Ordinal));
        Assert.Equal("100 dead letters are open.", alerts[AlertRules.Depth].Message);
        Assert.Equal("The oldest open dead letter has waited for 2 days.", alerts[AlertRules.Age].Message);
    }

    [Fact]
    public async Task I_12_the_metrics_say_what_the_tables_say()
    {
        for (var i = 0; i < 3; i++)
        {
            await Core.DieAsync();
        }

        var gauges = new QueueGauges(new StatsReads(Core.Database, Core.Get<QueuePools>(), TimeProvider.System), Core.Get<IMeterFactory>());
        using var metrics = new MeasuredGauges(Core.Get<IMeterFactory>());
        await Leader.RunAsync(TestRun.Cancel);
        await gauges.RefreshAsync(TestRun.Cancel);
        metrics.Read();

        Assert.Equal(3, metrics["aibackend.job.dead_letters"]);
        Assert.Equal(1, metrics["aibackend.alerts.active:dead_letter_cause"]);
        Assert.Equal(0, metrics["aibackend.alerts.active:dead_letter_depth"]);
        Assert.Equal(1, metrics["aibackend.alerts.raised:dead_letter_cause"]);
        Assert.InRange(metrics["aibackend.job.dead_letters.oldest_age"], 0.001, 600);
    }

    [Theory]
    [InlineData("AlertDepth", "0", "DeadLetters__AlertDepth")]
    [InlineData("AlertAge", "00:00:01", "DeadLetters__AlertAge")]
    [InlineData("AlertQuiet", "2.00:00:00", "DeadLetters__AlertQuiet")]
    public async Task A_threshold_out_of_bounds_stops_the_worker_with_the_remedy(string option, string value, string remedy)
    {
        var failure = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(() =>
            CoreHost.StartAsync(Db.ConnectionString, "127.0.0.1:1", null, ($"DeadLetters:{option}", value))
        );

        Assert.Contains(remedy, failure.Message, StringComparison.Ordinal);
    }

    private Task<IReadOnlyList<Alert>> ActiveAsync() => Core.Get<AlertReads>().ListAsync(Tenant, false, TestRun.Cancel);

    private Task QuietAsync() => Core.ExecuteAsync("UPDATE alerts SET firing_at = now() - interval '6 minutes'", Guid.Empty);

    /// <summary>What one host's instruments say.</summary>
    private sealed class MeasuredGauges : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly Dictionary<string, double> _values = new(StringComparer.Ordinal);

        public MeasuredGauges(IMeterFactory meters)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == meters)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Set(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Set(instrument, value, tags));
            _listener.Start();
        }

        public double this[string name] => _values[name];

        public void Read() => _listener.RecordObservableInstruments();

        public void Dispose() => _listener.Dispose();

        private void Set(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
            _values[tags.IsEmpty ? instrument.Name : $"{instrument.Name}:{tags[0].Value}"] = value;
    }
}
