using AiBackend.Core.Database;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Privacy;

/// <summary>Deletes what tenants keep for a shorter time than the installation does, jobs, files and batches: the leader's part.</summary>
/// <remarks>Answers kept for an Idempotency-Key go after 24 hours, which is the shortest time that a tenant can ask for.</remarks>
public sealed class ExpireContent(NpgsqlDataSource database, ILogger<ExpireContent> logger)
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

    // The pruner of files deletes them; what a batch still reads waits for its end.
    private const string FilesSql = """
        UPDATE files SET expires_at = created_at + @keep
         WHERE tenant_id = @tenant_id AND expires_at > created_at + @keep
           AND id <> ALL (ARRAY(SELECT input_file_id FROM batches WHERE tenant_id = @tenant_id AND ended_at IS NULL))
        """;

    // With their lines, of which one batch has at most so many.
    private const string BatchesSql = """
        DELETE FROM batches WHERE id = ANY (ARRAY(
            SELECT id FROM batches WHERE tenant_id = @tenant_id AND ended_at < now() - @keep ORDER BY id LIMIT 10))
        """;

    /// <returns>How many jobs are gone.</returns>
    public async Task<long> RunAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(TenantsSql);
        var tenants = await command.ReadAllAsync(row => (Id: row.GetGuid(0), Days: row.GetInt32(1)), cancellationToken);
        var all = 0L;
        foreach (var (id, days) in tenants)
        {
            try
            {
                all += await ExpireAsync(id, TimeSpan.FromDays(days), cancellationToken);
                await ForgetAsync(FilesSql, id, TimeSpan.FromDays(days), cancellationToken);
                while (await ForgetAsync(BatchesSql, id, TimeSpan.FromDays(days), cancellationToken) > 0)
                {
                    await Task.Delay(BetweenBatches, cancellationToken);
                }
            }
            catch (Exception failure) when (OneTenant.MayFail(failure))
            {
                logger.ContentNotExpired(failure, id);
            }
        }

        return all;
    }

    private async Task<int> ForgetAsync(string sql, Guid tenantId, TimeSpan keep, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = database.CreateCommand(sql);
#pragma warning restore CA2100
        command.Parameters.AddWithValue("tenant_id", tenantId);
        command.Parameters.AddWithValue("keep", NpgsqlDbType.Interval, keep);
        return await command.ExecuteNonQueryAsync(cancellationToken);
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
