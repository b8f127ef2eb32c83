using AiBackend.Core.Audit;
using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Privacy;

/// <summary>Deletes a job with all that is known of it, because its tenant wants that. What it cost stays in the sums.</summary>
public sealed class DeleteJob([FromKeyedServices(DatabaseRegistration.AllTenants)] NpgsqlDataSource database)
{
    /// <returns>Whether it was there and could go: not while it runs, or a call of it is not settled.</returns>
    public async Task<bool> RunAsync(Guid tenantId, Guid jobId, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateAudited("SELECT delete_job(@tenant_id, @job_id)", out var command);
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("job_id", jobId);
        return (await batch.ReadAllAsync(row => row.GetBoolean(0), cancellationToken))[0];
    }
}

/// <summary>Deletes jobs of tenants that keep theirs for a shorter time than the installation does: the leader's part.</summary>
public sealed class ExpireContent(NpgsqlDataSource database)
{
    private const int MaxBatch = 200;

    // Between two batches others get their turn.
    private static readonly TimeSpan BetweenBatches = TimeSpan.FromMilliseconds(50);

    private const string TenantsSql = "SELECT id, content_days FROM tenants WHERE content_days IS NOT NULL AND deletion_at IS NULL";

    // Ids are of the time before the end, so that the index of a tenant's jobs finds the few that are old enough. A place to go on from,
    // because those whose calls are not settled stay.
    private const string ExpireSql = """
        WITH over AS (
            SELECT id FROM jobs
             WHERE tenant_id = @tenant_id AND id > @after AND id < first_job_id(now() - @keep) AND status::int >= 6 AND finished_at < now() - @keep
             ORDER BY id LIMIT @limit
        ), gone AS (
            SELECT delete_jobs(@tenant_id, ARRAY(SELECT id FROM over), false) AS counts
        )
        SELECT (SELECT max(id::text)::uuid FROM over), (SELECT count(*) FROM over), coalesce((counts ->> 'jobs')::bigint, 0) FROM gone
        """;

    /// <returns>How many jobs are gone.</returns>
    public async Task<long> RunAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(TenantsSql);
        var tenants = await command.ReadAllAsync(row => (Id: row.GetGuid(0), Days: row.GetInt32(1)), cancellationToken);
        var all = 0L;
        foreach (var (id, days) in tenants)
        {
            all += await ExpireAsync(id, TimeSpan.FromDays(days), cancellationToken);
        }

        return all;
    }

    private async Task<long> ExpireAsync(Guid tenantId, TimeSpan keep, CancellationToken cancellationToken)
    {
        var (all, after) = (0L, Guid.Empty);
        while (true)
        {
            await using var command = database.CreateCommand(ExpireSql);
            command.Parameters.AddWithValue("tenant_id", tenantId);
            command.Parameters.AddWithValue("after", after);
            command.Parameters.AddWithValue("keep", NpgsqlDbType.Interval, keep);
            command.Parameters.AddWithValue("limit", MaxBatch);
            var (last, found, gone) = (await command.ReadAllAsync(row => (row.Id(0), row.GetInt64(1), row.GetInt64(2)), cancellationToken))[
                0
            ];
            all += gone;
            if (found < MaxBatch || last is not { } next)
            {
                return all;
            }

            after = next;
            await Task.Delay(BetweenBatches, cancellationToken);
        }
    }
}
