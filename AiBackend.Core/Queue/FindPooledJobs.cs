using AiBackend.Core.Jobs;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Queue;

/// <summary>The queued jobs of a pool other than the default one, straight from Postgres: Redis carries only the default pool.</summary>
public sealed class FindPooledJobs(NpgsqlDataSource database, IOptions<QueueOptions> options)
{
    // The same random window as without Redis: workers that ask at the same time mostly find different jobs.
    private static readonly string Sql = $"""
        SELECT id FROM ({FindQueuedJobs.Head(
            "pool = @pool AND pool <> 'default' AND due_at <= now()",
            "@window"
        )}) head ORDER BY random() LIMIT @limit
        """;

    /// <returns>Jobs that may be claimed, near the head of the line.</returns>
    public async Task<Guid[]> RunAsync(string pool, int limit, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Built from constants of these classes.
        await using var command = database.CreateCommand(Sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("pool", pool);
        command.Parameters.AddWithValue("window", limit * 2);
        command.Parameters.AddWithValue("limit", limit);
        command.Parameters.AddWithValue("age_up_after", options.Value.AgeUpAfter);
        return await command.ReadIdsAsync(cancellationToken);
    }
}
