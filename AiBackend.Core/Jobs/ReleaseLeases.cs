using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Jobs;

/// <summary>Lets the leases of a worker run out at once, for whoever has seen its process end.</summary>
public sealed class ReleaseLeases(NpgsqlDataSource database)
{
    // A worker's id is never used again, so no later claim can be meant. The rescuer does the rest.
    private const string Sql = "UPDATE jobs SET lease_until = now() WHERE status = 2 AND worker_id = @worker_id RETURNING id";

    /// <returns>The jobs it held.</returns>
    public Task<Guid[]> RunAsync(Guid workerId, CancellationToken cancellationToken) =>
        TransientRetry.RunAsync(token => RunOnceAsync(workerId, token), cancellationToken);

    private async Task<Guid[]> RunOnceAsync(Guid workerId, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(Sql);
        command.Parameters.AddWithValue("worker_id", workerId);
        return await command.ReadIdsAsync(cancellationToken);
    }
}
