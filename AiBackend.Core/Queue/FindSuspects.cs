using AiBackend.Core.Jobs;
using Npgsql;

namespace AiBackend.Core.Queue;

/// <summary>The jobs that may kill whoever runs them, and therefore run alone.</summary>
public sealed class FindSuspects(NpgsqlDataSource database)
{
    // The constant is in the predicate of the index jobs_suspects.
    private const string WaitingSql = """
        SELECT id FROM jobs WHERE status = 1 AND crash_count >= 2 AND due_at <= now() ORDER BY priority, id LIMIT @limit
        """;

    private const string CountSql = """
        SELECT count(*) FILTER (WHERE status = 1), count(*)
          FROM (SELECT status FROM jobs WHERE status IN (1, 2) AND crash_count >= 2 LIMIT 1000) suspects
        """;

    /// <returns>Suspects that may be claimed by <see cref="ClaimJobs.RunAloneAsync"/>, in order.</returns>
    public async Task<IReadOnlyList<Guid>> RunAsync(int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(WaitingSql);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadIdsAsync(cancellationToken);
    }

    /// <returns>How many wait, and how many wait or run.</returns>
    public async Task<(long Waiting, long All)> CountAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(CountSql);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return ReadCount(reader);
    }

    private static (long Waiting, long All) ReadCount(NpgsqlDataReader row) => (row.GetInt64(0), row.GetInt64(1));
}
