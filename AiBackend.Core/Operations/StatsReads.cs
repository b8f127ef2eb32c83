using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Operations;

/// <summary>The numbers an operator looks at, from the tables themselves.</summary>
/// <remarks>
/// Percentiles cover jobs accepted within the window, at most the newest 20 000 of them; the counts cover all of them.
/// </remarks>
public sealed class StatsReads(
    [FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database,
    QueuePools pools,
    TimeProvider clock
)
{
    // Two arms, because each has an index of its own.
    private const string QueueSql = """
        SELECT 'default', priority, count(*), extract(epoch FROM max(now() - due_at))::float8
          FROM jobs WHERE status = 1 AND pool = 'default' GROUP BY priority
        UNION ALL
        SELECT pool, priority, count(*), extract(epoch FROM max(now() - due_at))::float8
          FROM jobs WHERE status = 1 AND pool <> 'default' GROUP BY pool, priority
        """;

    private const string TotalsSql = """
        SELECT (SELECT count(*) FROM jobs WHERE status = 2),
               d.open, d.oldest_age
          FROM (SELECT count(*) AS open, extract(epoch FROM now() - min(at))::float8 AS oldest_age
                  FROM dead_letters WHERE replayed_by IS NULL AND discarded_at IS NULL) d
        """;

    private const string AttemptsSql = """
        SELECT count(*) FILTER (WHERE attempt > 1), coalesce(sum(fallbacks), 0)::bigint, coalesce(sum(input_tokens), 0)::bigint,
               coalesce(sum(output_tokens), 0)::bigint, coalesce(sum(cost_usd), 0)
          FROM job_attempts WHERE job_id >= @from
        """;

    private const string FinishedSql = """
        SELECT status, count(*) FROM jobs WHERE id >= @from AND status >= 6 GROUP BY status
        """;

    private const string LatencySql = """
        WITH recent AS (
            SELECT j.type, j.model,
                   -- Of a job that was tried again, only the last wait is known.
                   CASE WHEN j.attempt = 1 THEN extract(epoch FROM greatest(j.started_at - j.due_at, '0'))::float8 END AS queue_wait,
                   extract(epoch FROM a.first_token_at - a.started_at)::float8 AS first_token,
                   extract(epoch FROM j.finished_at - j.started_at)::float8 AS run,
                   extract(epoch FROM j.finished_at - j.created_at)::float8 AS end_to_end
              FROM (SELECT * FROM jobs WHERE id >= @from AND status >= 6 ORDER BY id DESC LIMIT 20000) j
              LEFT JOIN job_attempts a ON a.job_id = j.id AND a.attempt = j.attempt
             WHERE j.started_at IS NOT NULL
        )
        SELECT type, model, count(*),
               percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY queue_wait),
               percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY first_token),
               percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY run),
               percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY end_to_end)
          FROM recent GROUP BY type, model ORDER BY count(*) DESC LIMIT 50
        """;

    private const string SpendingSql = """
        SELECT coalesce(sum(cost_usd), 0), coalesce(sum(unknown_usd), 0), coalesce(sum(unpriced_calls), 0)::bigint,
               (SELECT coalesce(sum(reserved_usd), 0) FROM provider_calls WHERE state IN (0, 1))
          FROM usage_days WHERE day = (now() AT TIME ZONE 'UTC')::date
        """;

    // From the acceptance until the attempt that did something for the job and was not only told to wait.
    private const string CalibrationSql = """
        SELECT count(*), coalesce(avg((wait <= eta_p50)::int), 0)::float8, coalesce(avg((wait <= eta_p90)::int), 0)::float8
          FROM (SELECT extract(epoch FROM began_at - created_at) AS wait, eta_p50, eta_p90
                  FROM jobs WHERE id >= @from AND began_at IS NOT NULL AND eta_p90 IS NOT NULL
                 ORDER BY id DESC LIMIT 20000) told
        """;

    // What steps give without a model says nothing about any.
    private const string ContractsSql = """
        SELECT coalesce(first ->> 'provider', ''), coalesce(first ->> 'model', ''), count(*),
               count(*) FILTER (WHERE first ->> 'verdict' = 'valid' AND first -> 'repaired' = '[]'::jsonb)
          FROM (SELECT first_check(checks) AS first FROM job_attempts
                 WHERE job_id >= @from AND checks IS NOT NULL ORDER BY job_id DESC LIMIT 20000) checked
         WHERE first ->> 'model' IS NOT NULL
         GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 50
        """;

    /// <summary>Reads only what waits now, cheap enough for every few seconds.</summary>
    public async Task<QueueReading> ReadQueueAsync(CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand(QueueSql));
        batch.BatchCommands.Add(new NpgsqlBatchCommand(TotalsSql));
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var queue = await reader.ReadAllAsync(ReadDepth, cancellationToken);
        var totals = await ReadNextAsync(reader, ReadTotals, cancellationToken);
        return new QueueReading(
            EveryPriority(queue),
            EveryPool(queue),
            totals[0].Processing,
            totals[0].DeadLetters,
            totals[0].OldestDeadLetter
        );
    }

    /// <summary>Reads everything for one window.</summary>
    public async Task<Stats> ReadAsync(TimeSpan window, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var from = JobIds.FirstOf(now - window);
        await using var batch = database.CreateBatch();
        foreach (var sql in new[] { QueueSql, TotalsSql, AttemptsSql, FinishedSql, LatencySql, SpendingSql, CalibrationSql, ContractsSql })
        {
#pragma warning disable CA2100 // Constants of this class.
            var command = new NpgsqlBatchCommand(sql);
#pragma warning restore CA2100
            if (sql.Contains("@from", StringComparison.Ordinal))
            {
                command.Parameters.AddWithValue("from", from);
            }

            batch.BatchCommands.Add(command);
        }

        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var queue = await reader.ReadAllAsync(ReadDepth, cancellationToken);
        var totals = await ReadNextAsync(reader, ReadTotals, cancellationToken);
        var attempts = await ReadNextAsync(
            reader,
            row => (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetDecimal(4)),
            cancellationToken
        );
        var finished = await ReadNextAsync(reader, row => (((JobStatus)row.GetInt16(0)).ToWire(), row.GetInt64(1)), cancellationToken);
        var latency = await ReadNextAsync(reader, ReadLatency, cancellationToken);
        var spending = await ReadNextAsync(
            reader,
            row => new Spending(row.GetDecimal(0), row.GetDecimal(1), row.GetInt64(2), row.GetDecimal(3)),
            cancellationToken
        );
        var calibration = await ReadNextAsync(
            reader,
            row => new Calibration(row.GetInt64(0), row.GetDouble(1), row.GetDouble(2)),
            cancellationToken
        );
        var contracts = await ReadNextAsync(reader, ReadContracts, cancellationToken);
        return new Stats
        {
            WindowSeconds = (int)window.TotalSeconds,
            AsOf = now,
            Queue = EveryPriority(queue),
            Pools = EveryPool(queue),
            Processing = totals[0].Processing,
            DeadLetters = totals[0].DeadLetters,
            Latency = latency,
            Finished = finished.ToDictionary(StringComparer.Ordinal),
            Retries = attempts[0].Item1,
            Fallbacks = attempts[0].Item2,
            InputTokens = attempts[0].Item3,
            OutputTokens = attempts[0].Item4,
            CostUsd = attempts[0].Item5,
            Spending = spending[0],
            Calibration = calibration[0].Count > 0 ? calibration[0] : null,
            Contracts = contracts,
        };
    }

    private static async Task<List<T>> ReadNextAsync<T>(
        NpgsqlDataReader reader,
        Func<NpgsqlDataReader, T> read,
        CancellationToken cancellationToken
    )
    {
        await reader.NextResultAsync(cancellationToken);
        return await reader.ReadAllAsync(read, cancellationToken);
    }

    private static IReadOnlyList<QueueDepth> EveryPriority(List<WaitingJobs> queue) =>
        [
            .. JobTraitNames.AllPriorities.Select(priority =>
            {
                var (depth, oldest) = Sum(queue.Where(jobs => jobs.Priority == priority));
                return new QueueDepth(priority, depth, oldest);
            }),
        ];

    /// <summary>Those of the configuration, and those that jobs wait in all the same.</summary>
    private IReadOnlyList<PoolDepth> EveryPool(List<WaitingJobs> queue)
    {
        string[] configured = [QueuePools.Default, .. pools.Others.Select(pool => pool.Name)];
        var stray = queue.Select(jobs => jobs.Pool).Except(configured, StringComparer.Ordinal).Order(StringComparer.Ordinal);
        return
        [
            .. configured
                .Concat(stray)
                .Select(pool =>
                {
                    var (depth, oldest) = Sum(queue.Where(jobs => jobs.Pool == pool));
                    return new PoolDepth(pool, configured.Contains(pool, StringComparer.Ordinal), depth, oldest);
                }),
        ];
    }

    private static (long Depth, double? Oldest) Sum(IEnumerable<WaitingJobs> jobs) =>
        jobs.Aggregate((Depth: 0L, Oldest: (double?)null), (sum, each) => (sum.Depth + each.Depth, Math.Max(sum.Oldest ?? 0, each.Oldest)));

    private static (long Processing, long DeadLetters, double OldestDeadLetter) ReadTotals(NpgsqlDataReader row) =>
        (row.GetInt64(0), row.GetInt64(1), row.IsDBNull(2) ? 0 : row.GetDouble(2));

    private static ContractRate ReadContracts(NpgsqlDataReader row) =>
        new(row.GetString(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3));

    private static WaitingJobs ReadDepth(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            ((JobPriority)row.GetInt16(1)).ToWire(),
            row.GetInt64(2),
            row.IsDBNull(3) ? 0 : Math.Max(0, row.GetDouble(3))
        );

    private static LatencyGroup ReadLatency(NpgsqlDataReader row) =>
        new(
            ((JobType)row.GetInt16(0)).ToWire(),
            row.GetString(1),
            row.GetInt64(2),
            ReadPercentiles(row, 3),
            ReadPercentiles(row, 4),
            ReadPercentiles(row, 5),
            ReadPercentiles(row, 6)
        );

    private static Percentiles? ReadPercentiles(NpgsqlDataReader row, int ordinal) =>
        !row.IsDBNull(ordinal) && row.GetFieldValue<double?[]>(ordinal) is [{ } p50, { } p95, { } p99]
            ? new Percentiles(p50, p95, p99)
            : null;

    private readonly record struct WaitingJobs(string Pool, string Priority, long Depth, double Oldest);
}

/// <summary>What waits and runs now.</summary>
/// <param name="Queue">Every priority, most urgent first.</param>
/// <param name="Pools">Every pool, the default one first.</param>
/// <param name="Processing">Jobs leased by a worker.</param>
/// <param name="DeadLetters">Neither replayed nor discarded.</param>
/// <param name="OldestDeadLetterSeconds">How long the oldest of those has waited, in seconds; 0 when there is none.</param>
public sealed record QueueReading(
    IReadOnlyList<QueueDepth> Queue,
    IReadOnlyList<PoolDepth> Pools,
    long Processing,
    long DeadLetters,
    double OldestDeadLetterSeconds
);
