using Npgsql;

namespace AiBackend.Core.DeadLetters.Bulk;

/// <summary>Writes down how a bulk action came out, once it has ended and all its new jobs have too: the leader's part.</summary>
/// <remarks>
/// From then on nobody counts its letters again, and what it did is known for longer than its jobs are kept. Not in the statements that
/// end an action: its new jobs run on after that, and a caller who cancels need not wait for a count.
/// </remarks>
public sealed class CountBulkActions(NpgsqlDataSource database)
{
    // The place in the line is left before the count, so that one which cannot be counted keeps back no other.
    private const string NextSql = """
        UPDATE bulk_actions SET next_step_at = now() + interval '10 seconds'
         WHERE id = (SELECT id FROM bulk_actions WHERE status <> 0 AND counted_at IS NULL AND next_step_at <= now()
                      ORDER BY next_step_at LIMIT 1)
           AND next_step_at <= now()
        RETURNING id
        """;

    private const string CountSql = $"""
        UPDATE bulk_actions t
           SET counted_at = now(), waiting = i.waiting, done = i.done, skipped = i.skipped, succeeded = i.succeeded, failed = i.failed,
               cancelled = i.cancelled
          FROM (SELECT @id AS id) a CROSS JOIN LATERAL ({BulkReads.Counts}) i
         WHERE t.id = a.id AND t.status::int <> 0 AND t.counted_at IS NULL AND i.running = 0
        """;

    /// <summary>Looks at one action that has ended.</summary>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        await using var next = database.CreateCommand(NextSql);
        if (await next.ExecuteScalarAsync(cancellationToken) is not Guid id)
        {
            return false;
        }

        await using var count = database.CreateCommand(CountSql);
        count.Parameters.AddWithValue("id", id);
        await count.ExecuteNonQueryAsync(cancellationToken);
        return true;
    }
}
