using Npgsql;

namespace AiBackend.Core.Jobs;

/// <summary>Deletes the rows of workers that have been gone for 30 days; until then traces show their names.</summary>
public sealed class PruneWorkers(NpgsqlDataSource database)
{
    /// <returns>How many rows are gone.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("DELETE FROM workers WHERE last_seen_at < now() - interval '30 days'");
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
