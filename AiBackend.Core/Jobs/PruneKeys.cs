using Npgsql;

namespace AiBackend.Core.Jobs;

/// <summary>Deletes idempotency keys after their documented life of 24 hours.</summary>
public sealed class PruneKeys(NpgsqlDataSource database)
{
    private const int MaxBatch = 5000;

    private const string Sql = """
        DELETE FROM idempotency_keys
         WHERE (tenant_id, route, key) IN
               (SELECT tenant_id, route, key FROM idempotency_keys WHERE expires_at < now() ORDER BY expires_at LIMIT @limit)
           AND expires_at < now()
        """;

    /// <returns>How many keys are gone.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var pruned = 0;
        while (true)
        {
            await using var command = database.CreateCommand(Sql);
            command.Parameters.AddWithValue("limit", MaxBatch);
            var count = await command.ExecuteNonQueryAsync(cancellationToken);
            pruned += count;
            if (count < MaxBatch)
            {
                return pruned;
            }
        }
    }
}
