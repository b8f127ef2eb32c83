using Npgsql;

namespace AiBackend.Core.Queue.Estimates;

/// <summary>Forgets what was learned of jobs that nobody sends any more: features are named by callers, and there is no end of names.</summary>
public sealed class PruneEstimates(NpgsqlDataSource database)
{
    private const int MaxBatch = 5_000;

    private const string Sql = """
        DELETE FROM job_estimates
         WHERE (tenant_id, model, feature) IN (
               SELECT tenant_id, model, feature FROM job_estimates WHERE updated_at < now() - @keep ORDER BY updated_at LIMIT @limit)
           AND updated_at < now() - @keep
        """;

    private static readonly TimeSpan Keep = TimeSpan.FromDays(14);

    /// <returns>How many are gone: a batch of the oldest.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        command.Parameters.AddWithValue("keep", Keep);
        command.Parameters.AddWithValue("limit", MaxBatch);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
