using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Queue;

/// <summary>The jobs that may kill whoever runs them, and therefore run alone.</summary>
public sealed class FindSuspects(NpgsqlDataSource database, [FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds)
{
    // The constant is in the predicate of the index jobs_suspects.
    private static readonly string WaitingSql = $"""
        SELECT id FROM jobs j WHERE status = 1 AND crash_count >= 2 AND due_at <= now() AND {HeldJobs.None(
            "j"
        )} ORDER BY priority, id LIMIT @limit
        """;

    private static readonly string CountSql = $"""
        SELECT count(*) FILTER (WHERE status = 1), count(*)
          FROM (SELECT status FROM jobs j
                 WHERE status IN (1, 2) AND crash_count >= 2 AND (status = 2 OR {HeldJobs.None("j")}) LIMIT 1000) suspects
        """;

    /// <returns>Suspects that may be claimed by <see cref="ClaimJobs.RunAloneAsync"/>, in order.</returns>
    public async Task<IReadOnlyList<Guid>> RunAsync(int limit, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Built from constants of these classes.
        await using var command = database.CreateCommand(WaitingSql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadIdsAsync(cancellationToken);
    }

    /// <returns>How many wait, and how many wait or run.</returns>
    public async Task<(long Waiting, long All)> CountAsync(CancellationToken cancellationToken)
    {
        await using var hot = await HotCommand.OpenAsync(rounds, CountSql, _ => { }, cancellationToken);
        await using var reader = await hot.Command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return ReadCount(reader);
    }

    private static (long Waiting, long All) ReadCount(NpgsqlDataReader row) => (row.GetInt64(0), row.GetInt64(1));
}
