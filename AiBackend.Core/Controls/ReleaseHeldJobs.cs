using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Controls;

/// <summary>Lets jobs go on that waited for a provider which is no longer paused: the leader's part.</summary>
public sealed class ReleaseHeldJobs([FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds)
{
    // Their due time lies far ahead, so that a paused provider's jobs are not claimed and given back in circles. The condition is
    // that of HeldProvidersGate.
    // From reason to reason, and of each the first: all jobs of a provider that stays paused are passed over at once. A draining one lets
    // those go on that were there before; ids begin with their moment, a minute allows for clocks that differ.
    // A second later: until then a worker may not have heard of the resume.
    private const string Sql = """
        WITH RECURSIVE reasons AS (
            SELECT min(j.waiting_reason) AS reason FROM jobs j WHERE j.status = 5 AND j.waiting_reason LIKE 'paused:%'
            UNION ALL
            SELECT (SELECT min(j.waiting_reason) FROM jobs j WHERE j.status = 5 AND j.waiting_reason LIKE 'paused:%' AND j.waiting_reason > r.reason)
              FROM reasons r WHERE r.reason IS NOT NULL
        )
        UPDATE jobs SET due_at = now() + interval '1 second'
         WHERE id IN (SELECT i.id
                        FROM (SELECT r.reason, c.set_at,
                                     first_job_id(c.set_at + interval '1 minute') AS until
                                FROM reasons r LEFT JOIN controls c ON c.kind = 3 AND 'paused:provider/' || c.name = r.reason
                               WHERE r.reason IS NOT NULL AND c.mode IS DISTINCT FROM 1 OFFSET 0) free
                       CROSS JOIN LATERAL (
                             SELECT j.id FROM jobs j
                              WHERE j.status = 5 AND j.waiting_reason LIKE 'paused:%' AND j.waiting_reason = free.reason
                                AND j.id < coalesce(free.until, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                                AND (free.set_at IS NULL OR j.created_at <= free.set_at) AND j.due_at > now() + interval '1 second'
                              ORDER BY j.id LIMIT @limit FOR UPDATE SKIP LOCKED) i
                       LIMIT @limit)
           AND status = 5
        """;

    /// <returns>How many are due now; as many as the limit means there may be more.</returns>
    public Task<int> RunAsync(int limit, CancellationToken cancellationToken) =>
        TransientRetry.RunAsync(token => RunOnceAsync(limit, token), cancellationToken);

    private async Task<int> RunOnceAsync(int limit, CancellationToken cancellationToken)
    {
        // Four times a second, and planning it takes twenty times as long as finding out that nobody waits.
        await using var hot = await HotCommand.OpenAsync(
            rounds,
            Sql,
            parameters => parameters.AddWithValue("limit", limit),
            cancellationToken
        );
        return await hot.Command.ExecuteNonQueryAsync(cancellationToken);
    }
}
