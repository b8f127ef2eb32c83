using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Controls;

/// <summary>Lets jobs go on that waited for a provider which is no longer paused: the leader's part.</summary>
public sealed class ReleaseHeldJobs(NpgsqlDataSource database)
{
    // Their due time lies far ahead, so that a paused provider's jobs are not claimed and given back in circles. The condition is
    // that of HeldProvidersGate.
    // A second later: until then a worker may not have heard of the resume.
    private const string Sql = """
        UPDATE jobs SET due_at = now() + interval '1 second'
         WHERE id IN (SELECT j.id FROM jobs j
                       WHERE j.status = 5 AND j.waiting_reason LIKE 'paused:%' AND j.due_at > now() + interval '1 second'
                         AND NOT EXISTS (SELECT FROM controls c
                                          WHERE c.kind = 3 AND 'paused:provider/' || c.name = j.waiting_reason
                                            AND (c.mode = 1 OR j.created_at > c.set_at))
                       ORDER BY j.id LIMIT @limit FOR UPDATE SKIP LOCKED)
           AND status = 5
        """;

    /// <returns>How many are due now; as many as the limit means there may be more.</returns>
    public Task<int> RunAsync(int limit, CancellationToken cancellationToken) =>
        TransientRetry.RunAsync(token => RunOnceAsync(limit, token), cancellationToken);

    private async Task<int> RunOnceAsync(int limit, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        command.Parameters.AddWithValue("limit", limit);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
