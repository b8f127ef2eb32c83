using System.Diagnostics.Metrics;
using AiBackend.Core.Jobs.Telemetry;
using Npgsql;

namespace AiBackend.Core.Operations;

/// <summary>What makes a Postgres that is used as a queue slow by the hour: rows that are dead but may not be removed.</summary>
/// <remarks>Reported by the leading worker only, as <see cref="QueueGauges"/>.</remarks>
public sealed class DatabaseGauges
{
    // Whatever holds an old snapshot: a session, a prepared transaction. Other users' sessions are only visible to members of
    // pg_monitor; without that the age is that of our own.
    private const string OldestSql = """
        SELECT coalesce(extract(epoch FROM now() - min(begun)), 0)::float8
          FROM (SELECT xact_start AS begun FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
                 UNION ALL
                SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()) open
        """;

    private const string DeadSql = """
        SELECT coalesce(pg_partition_root(relid)::regclass::text, relname::text), sum(n_dead_tup)::bigint
          FROM pg_stat_user_tables GROUP BY 1 HAVING sum(n_dead_tup) > 0 ORDER BY 2 DESC LIMIT 20
        """;

    private readonly NpgsqlDataSource _database;
    private Reading? _latest;

    /// <summary>Creates the instruments, which report nothing before the first reading.</summary>
    public DatabaseGauges(NpgsqlDataSource database, IMeterFactory meters)
    {
        _database = database;
        var meter = meters.Create(JobTelemetryNames.Source);
        meter.CreateObservableGauge("aibackend.database.oldest_transaction", Oldest, "s", "Age of the oldest open transaction.");
        meter.CreateObservableGauge("aibackend.database.dead_tuples", Dead, "{row}", "Dead rows that vacuum has not removed yet.");
    }

    /// <summary>Asks Postgres.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await using var batch = _database.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand(OldestSql));
        batch.BatchCommands.Add(new NpgsqlBatchCommand(DeadSql));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var oldest = reader.GetDouble(0);
        await reader.NextResultAsync(cancellationToken);
        var dead = new List<(string Table, long Rows)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            dead.Add((reader.GetString(0), reader.GetInt64(1)));
        }

        Volatile.Write(ref _latest, new Reading(oldest, dead));
    }

    /// <summary>Reports nothing any more: another process does.</summary>
    public void Clear() => Volatile.Write(ref _latest, null);

    private IEnumerable<Measurement<double>> Oldest() => Volatile.Read(ref _latest) is { } reading ? [new(reading.OldestSeconds)] : [];

    private IEnumerable<Measurement<long>> Dead() =>
        Volatile
            .Read(ref _latest)
            ?.Dead.Select(table => new Measurement<long>(table.Rows, KeyValuePair.Create("table", (object?)table.Table)))
        ?? [];

    private sealed record Reading(double OldestSeconds, IReadOnlyList<(string Table, long Rows)> Dead);
}
