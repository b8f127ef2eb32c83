using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Queue;

/// <summary>Queued runs of the default pool, through an index that only they are in (0087_queued_runs.sql).</summary>
public sealed class FindQueuedRuns([FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds, IOptions<QueueOptions> options)
{
    // The same random window as without Redis: workers that ask at the same time mostly find different runs.
    private static readonly string Sql = $"""
        SELECT id FROM ({FindQueuedJobs.Head(
            FormattableString.Invariant($"pool = 'default' AND type = {JobType.Workflow:D} AND due_at <= now() - @older_than"),
            "@window"
        )}) head ORDER BY random() LIMIT @limit
        """;

    /// <param name="olderThan">How long they have waited at least.</param>
    /// <param name="limit">Most of them.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Runs that may be claimed, near the head of the line.</returns>
    public Task<Guid[]> RunAsync(TimeSpan olderThan, int limit, CancellationToken cancellationToken) =>
        FindQueuedJobs.ReadAsync(rounds, Sql, limit, olderThan, options.Value, cancellationToken);
}
