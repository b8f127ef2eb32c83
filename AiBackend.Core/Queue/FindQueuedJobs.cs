using AiBackend.Core.Jobs;
using Npgsql;

namespace AiBackend.Core.Queue;

/// <summary>The way to work when Redis is away, or answers and delivers nothing: queued jobs straight from Postgres.</summary>
public sealed class FindQueuedJobs(NpgsqlDataSource database)
{
    // A window several times as wide as what is taken, in random order: workers that ask at the same time mostly find different jobs.
    private const string Sql = """
        SELECT id FROM (SELECT id FROM jobs WHERE status = 1 AND due_at <= now() - @older_than ORDER BY priority, id LIMIT @window) head ORDER BY random() LIMIT @limit
        """;

    /// <returns>Jobs that may be claimed, near the head of the line.</returns>
    public async Task<IReadOnlyList<Guid>> RunAsync(int limit, TimeSpan olderThan, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        command.Parameters.AddWithValue("window", limit * 4);
        command.Parameters.AddWithValue("limit", limit);
        command.Parameters.AddWithValue("older_than", olderThan);
        return await command.ReadIdsAsync(cancellationToken);
    }
}
