using System.Globalization;
using AiBackend.Core.Database;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Retention;

/// <summary>The weekly partitions of jobs and what belongs to them: made ahead, and dropped when all their jobs are old.</summary>
/// <remarks>
/// The statements are functions of the schema (0002_partitions.sql, 0011_volume.sql), which knows its tables. Both directions need every
/// running statement to end first, and every new one waits behind them: so they wait for half a second at most and try again later.
/// </remarks>
public sealed class JobPartitions(NpgsqlDataSource database)
{
    private const int MaxTries = 5;
    private const int MaxBatch = 1000;

    // New weeks lock the tables for as long as they take.
    private static readonly TimeSpan LongestAddition = TimeSpan.FromSeconds(15);

    // A large partition is looked at row by row, and many dead letters may go with it. The limit of the session is for statements that
    // somebody waits for.
    private static readonly TimeSpan LongestLook = TimeSpan.FromMinutes(10);

    // Between two batches others get their turn.
    private static readonly TimeSpan BetweenBatches = TimeSpan.FromMilliseconds(50);

    private const string OpenLettersSql = """
        SELECT count(*) FROM dead_letters d, job_partitions() p
         WHERE p.suffix = @suffix AND (p.from_id IS NULL OR d.job_id >= p.from_id) AND d.job_id < p.to_id
           AND d.replayed_by IS NULL AND d.discarded_at IS NULL
        """;

    private const string ToolCallsSql = """
        DELETE FROM job_tool_calls c USING job_partitions() p
         WHERE p.suffix = @suffix AND (p.from_id IS NULL OR c.job_id >= p.from_id) AND c.job_id < p.to_id
        """;

    private const string DefaultSql = """
        WITH over AS MATERIALIZED (SELECT id FROM jobs_default WHERE status >= 6 AND finished_at < now() - @keep LIMIT @limit),
             waits AS (DELETE FROM job_waits USING over WHERE job_id = id),
             tools AS (DELETE FROM job_tool_calls USING over WHERE job_id = id),
             letters AS (DELETE FROM dead_letters USING over WHERE job_id = id RETURNING replayed_by IS NULL AND discarded_at IS NULL AS is_open),
             events AS (DELETE FROM job_events_default USING over WHERE job_id = id),
             calls AS (DELETE FROM provider_calls_default USING over WHERE job_id = id),
             attempts AS (DELETE FROM job_attempts_default USING over WHERE job_id = id),
             outputs AS (DELETE FROM job_outputs_default USING over WHERE job_id = id),
             payloads AS (DELETE FROM job_payloads_default USING over WHERE job_id = id),
             gone AS (DELETE FROM jobs_default USING over WHERE jobs_default.id = over.id RETURNING 1)
        SELECT ARRAY[(SELECT count(*) FROM gone), (SELECT count(*) FROM letters WHERE is_open)]
        """;

    /// <summary>Makes sure that jobs of the next weeks have partitions.</summary>
    /// <returns>How many weeks were added.</returns>
    public Task<int> AddAheadAsync(int weeks, CancellationToken cancellationToken) =>
        WhenFreeAsync(
            LongestAddition,
            async (connection, token) =>
                (int)
                    (
                        await ReadAsync(
                            connection,
                            LongestAddition,
                            "SELECT add_job_partitions(now() + @ahead)",
                            token,
                            ("ahead", TimeSpan.FromDays(7 * weeks))
                        )
                    )!,
            cancellationToken
        );

    /// <returns>Names of the partitions in which every job was submitted longer ago than <paramref name="keep"/>, oldest first.</returns>
    public async Task<IReadOnlyList<string>> FindOldAsync(TimeSpan keep, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "SELECT suffix FROM job_partitions() WHERE to_id <= first_job_id(now() - @keep) ORDER BY to_id"
        );
        command.Parameters.AddWithValue("keep", NpgsqlDbType.Interval, keep);
        return await command.ReadAllAsync(row => row.GetString(0), cancellationToken);
    }

    /// <summary>Drops a partition if its jobs have all ended longer ago than <paramref name="keep"/>; never one with an unfinished job.</summary>
    /// <returns>How many open dead letters went with it; null when it stays.</returns>
    public async Task<long?> DropIfOverAsync(string suffix, TimeSpan keep, CancellationToken cancellationToken) =>
        await IsOverAsync(suffix, keep, cancellationToken)
            ? await WhenFreeAsync(LongestLook, (connection, token) => DropAsync(connection, suffix, token), cancellationToken)
            : null;

    /// <summary>Deletes old jobs whose id a wrong clock had dated to a time without a partition, or whose week nobody made in time.</summary>
    /// <returns>How many, and how many open dead letters went with them.</returns>
    public async Task<(long Jobs, long OpenLetters)> PruneDefaultAsync(TimeSpan keep, CancellationToken cancellationToken)
    {
        var (jobs, letters) = (0L, 0L);
        while (true)
        {
            var batch = await WhenFreeAsync(LongestLook, (connection, token) => PruneAsync(connection, keep, token), cancellationToken);
            (jobs, letters) = (jobs + batch[0], letters + batch[1]);
            if (batch[0] < MaxBatch)
            {
                return (jobs, letters);
            }

            await Task.Delay(BetweenBatches, cancellationToken);
        }
    }

    private Task<bool> IsOverAsync(string suffix, TimeSpan keep, CancellationToken cancellationToken) =>
        WhenFreeAsync(
            LongestLook,
            async (connection, token) =>
                (bool)
                    (
                        await ReadAsync(
                            connection,
                            LongestLook,
                            "SELECT job_partition_is_over(@suffix, @keep)",
                            token,
                            ("suffix", suffix),
                            ("keep", keep)
                        )
                    )!,
            cancellationToken
        );

    private static async Task<long?> DropAsync(NpgsqlConnection connection, string suffix, CancellationToken cancellationToken)
    {
        var letters = (long)(await ReadAsync(connection, LongestLook, OpenLettersSql, cancellationToken, ("suffix", suffix)))!;
        await ReadAsync(connection, LongestLook, ToolCallsSql, cancellationToken, ("suffix", suffix));
        await ReadAsync(connection, LongestLook, "SELECT 1 FROM drop_job_partition(@suffix)", cancellationToken, ("suffix", suffix));
        return letters;
    }

    private static async Task<long[]> PruneAsync(NpgsqlConnection connection, TimeSpan keep, CancellationToken cancellationToken) =>
        (long[])(await ReadAsync(connection, LongestLook, DefaultSql, cancellationToken, ("keep", keep), ("limit", MaxBatch)))!;

    /// <summary>A transaction with limits of its own, again when the tables were in use.</summary>
    private async Task<T> WhenFreeAsync<T>(
        TimeSpan longest,
        Func<NpgsqlConnection, CancellationToken, Task<T>> work,
        CancellationToken cancellationToken
    )
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await using var connection = await database.OpenConnectionAsync(cancellationToken);
                await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
                var milliseconds = longest.TotalMilliseconds.ToString("0", CultureInfo.InvariantCulture);
                const string Limits = "SELECT set_config('lock_timeout', '500ms', true), set_config('statement_timeout', @longest, true)";
                await ReadAsync(connection, longest, Limits, cancellationToken, ("longest", milliseconds));
                var result = await work(connection, cancellationToken);
                await transaction.CommitAsync(cancellationToken);
                return result;
            }
            catch (PostgresException busy) when (busy.SqlState == PostgresErrorCodes.LockNotAvailable && tries < MaxTries)
            {
                // Others are served before the next try.
                await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(200, 1000)), cancellationToken);
            }
        }
    }

    /// <returns>The first column of the first row.</returns>
    private static async Task<object?> ReadAsync(
        NpgsqlConnection connection,
        TimeSpan longest,
        string sql,
        CancellationToken cancellationToken,
        params (string Name, object Value)[] parameters
    )
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        // A little later than Postgres itself, whose word tells a long statement from a broken connection.
        command.CommandTimeout = (int)longest.TotalSeconds + 5;
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return await command.ExecuteScalarAsync(cancellationToken);
    }
}
