using System.Diagnostics.Metrics;
using AiBackend.Core.Operations;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>A transaction that was forgotten is seen before the tables behind it are full of dead rows.</summary>
public sealed class DatabaseGaugesTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task F_21_the_age_of_a_forgotten_transaction_and_the_dead_rows_are_measured()
    {
        await using var core = await CoreHost.StartAsync(Db.ConnectionString, "127.0.0.1:1", builder => builder.AddQueueGauges());
        var id = await core.SubmitAsync();
        await using var connection = await Db.Source.OpenConnectionAsync(TestRun.Cancel);
        await using var transaction = await connection.BeginTransactionAsync(TestRun.Cancel);
        await using var forget = new NpgsqlCommand("SELECT count(*) FROM jobs", connection, transaction);
        await forget.ExecuteScalarAsync(TestRun.Cancel);
        await core.ExecuteAsync("UPDATE jobs SET due_at = now() WHERE id = @id", id);
        // A session tells what it did when it ends, and else at some time later.
        core.Database.Clear();
        var gauges = core.Get<DatabaseGauges>();
        var measured = new Dictionary<string, double>(StringComparer.Ordinal);
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            // Other tests of this process have meters of the same name.
            if (instrument.Meter.Scope == core.Get<IMeterFactory>() && instrument.Name.StartsWith("aibackend.database."))
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => measured[instrument.Name] = value);
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => measured[instrument.Name + "/" + tags[0].Value] = value);
        listener.Start();

        await Eventually.TrueAsync(
            async token =>
            {
                await gauges.RefreshAsync(token);
                listener.RecordObservableInstruments();
                return measured.GetValueOrDefault("aibackend.database.oldest_transaction") > 0.2
                    && measured.GetValueOrDefault("aibackend.database.dead_tuples/jobs") >= 1;
            },
            "both are seen"
        );

        gauges.Clear();
        measured.Clear();
        listener.RecordObservableInstruments();
        Assert.Empty(measured);
    }
}
