using AiBackend.Core.Jobs;
using Npgsql;

namespace AiBackend.Core.Queue;

/// <summary>Which jobs wait for a worker.</summary>
public interface IQueuedJobs
{
    /// <summary>The way to work when Redis is away, or answers and delivers nothing: queued jobs straight from Postgres.</summary>
    /// <returns>Jobs that may be claimed, near the head of the line.</returns>
    Task<Guid[]> FindAsync(int limit, TimeSpan olderThan, CancellationToken cancellationToken);

    /// <returns>Queued jobs in the order in which they should run.</returns>
    /// <param name="all">Also those younger than <paramref name="age"/>.</param>
    /// <param name="age">Time for which a job is taken to be on its way.</param>
    /// <param name="limit">Of the answer.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<Guid[]> FindBacklogAsync(bool all, TimeSpan age, int limit, CancellationToken cancellationToken);
}

/// <remarks>Jobs that must run alone are not among them: <see cref="FindSuspects"/>.</remarks>
internal sealed class FindQueuedJobs(NpgsqlDataSource database) : IQueuedJobs
{
    // A window several times as wide as what is taken, in random order: workers that ask at the same time mostly find different jobs.
    private const string Sql = """
        SELECT id FROM (SELECT id FROM jobs WHERE status = 1 AND crash_count < 2 AND due_at <= now() - @older_than ORDER BY priority, id LIMIT @window) head ORDER BY random() LIMIT @limit
        """;

    // Young jobs are on their way by the fast path; only with a backlog are they the dispatcher's business at once.
    private const string BacklogSql = """
        SELECT id FROM jobs WHERE status = 1 AND crash_count < 2 AND (@all OR due_at < now() - @age) ORDER BY priority, id LIMIT @limit
        """;

    public async Task<Guid[]> FindAsync(int limit, TimeSpan olderThan, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        command.Parameters.AddWithValue("window", limit * 4);
        command.Parameters.AddWithValue("limit", limit);
        command.Parameters.AddWithValue("older_than", olderThan);
        return await command.ReadIdsAsync(cancellationToken);
    }

    public async Task<Guid[]> FindBacklogAsync(bool all, TimeSpan age, int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(BacklogSql);
        command.Parameters.AddWithValue("all", all);
        command.Parameters.AddWithValue("age", age);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ReadIdsAsync(cancellationToken);
    }
}
