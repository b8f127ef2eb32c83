using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Retention;

/// <summary>The weekly partitions of jobs and what belongs to them: made ahead, and dropped when all their jobs are old.</summary>
/// <remarks>
/// The statements are functions of the schema (0002_partitions.sql), which knows its tables. Both directions need every running statement
/// to end first, and every new one waits behind them: so they wait for half a second at most and try again later.
/// </remarks>
public sealed class JobPartitions(NpgsqlDataSource database)
{
    private const int MaxTries = 5;
    private static readonly TimeSpan Ahead = TimeSpan.FromDays(28);

    // A large partition is looked at row by row.
    private static readonly TimeSpan LongestLook = TimeSpan.FromMinutes(10);

    private const string DefaultSql = """
        WITH over AS (SELECT id FROM jobs_default WHERE status >= 6 AND finished_at < now() - @keep LIMIT 1000),
             waits AS (DELETE FROM job_waits USING over WHERE job_id = id),
             letters AS (DELETE FROM dead_letters USING over WHERE job_id = id),
             events AS (DELETE FROM job_events_default USING over WHERE job_id = id),
             attempts AS (DELETE FROM job_attempts_default USING over WHERE job_id = id),
             outputs AS (DELETE FROM job_outputs_default USING over WHERE job_id = id),
             payloads AS (DELETE FROM job_payloads_default USING over WHERE job_id = id)
        DELETE FROM jobs_default USING over WHERE jobs_default.id = over.id
        """;

    /// <summary>Makes sure that jobs of the next four weeks have partitions.</summary>
    /// <returns>How many weeks were added.</returns>
    public Task<int> AddAheadAsync(CancellationToken cancellationToken) =>
        ChangeAsync("SELECT add_job_partitions(now() + @ahead)", new("ahead", Ahead), cancellationToken);

    /// <summary>Drops the partitions whose jobs have all ended longer ago than <paramref name="keep"/>; never one with an unfinished job.</summary>
    /// <returns>Their names, oldest first.</returns>
    public async Task<IReadOnlyList<string>> DropOldAsync(TimeSpan keep, CancellationToken cancellationToken)
    {
        var dropped = new List<string>();
        foreach (var suffix in await FindOldAsync(keep, cancellationToken))
        {
            if (await IsOverAsync(suffix, keep, cancellationToken))
            {
                await ChangeAsync("SELECT 1 FROM drop_job_partition(@suffix)", new("suffix", suffix), cancellationToken);
                dropped.Add(suffix);
            }
        }

        return dropped;
    }

    /// <summary>Deletes old jobs whose id a wrong clock had dated to a time without a partition.</summary>
    /// <returns>How many.</returns>
    public async Task<int> PruneDefaultAsync(TimeSpan keep, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(DefaultSql);
        command.Parameters.AddWithValue("keep", keep);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task<IReadOnlyList<string>> FindOldAsync(TimeSpan keep, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "SELECT suffix FROM job_partitions() WHERE to_id <= first_job_id(now() - @keep) ORDER BY to_id"
        );
        command.Parameters.AddWithValue("keep", NpgsqlDbType.Interval, keep);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var suffixes = new List<string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            suffixes.Add(reader.GetString(0));
        }

        return suffixes;
    }

    private async Task<bool> IsOverAsync(string suffix, TimeSpan keep, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT job_partition_is_over(@suffix, @keep)");
        command.CommandTimeout = (int)LongestLook.TotalSeconds;
        command.Parameters.AddWithValue("suffix", suffix);
        command.Parameters.AddWithValue("keep", NpgsqlDbType.Interval, keep);
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private async Task<int> ChangeAsync(string sql, NpgsqlParameter parameter, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await TryChangeAsync(sql, parameter.Clone(), cancellationToken);
            }
            catch (PostgresException busy) when (busy.SqlState == PostgresErrorCodes.LockNotAvailable && tries < MaxTries)
            {
                // Others are served before the next try.
                await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(200, 1000)), cancellationToken);
            }
        }
    }

    private async Task<int> TryChangeAsync(string sql, NpgsqlParameter parameter, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var limit = new NpgsqlCommand("SET LOCAL lock_timeout = '500ms'", connection, transaction);
        await limit.ExecuteNonQueryAsync(cancellationToken);
#pragma warning disable CA2100 // Constants of this class.
        await using var change = new NpgsqlCommand(sql, connection, transaction) { Parameters = { parameter } };
#pragma warning restore CA2100
        var result = (int)(await change.ExecuteScalarAsync(cancellationToken))!;
        await transaction.CommitAsync(cancellationToken);
        return result;
    }
}
