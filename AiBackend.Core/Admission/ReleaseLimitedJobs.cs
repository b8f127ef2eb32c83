using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Admission;

/// <summary>Lets jobs that wait for a provider's limit go on as soon as there is room: the leader's part. See 0012_limits.sql.</summary>
public sealed class ReleaseLimitedJobs(NpgsqlDataSource database)
{
    /// <returns>How many are due now.</returns>
    public Task<long> RunAsync(CancellationToken cancellationToken) => TransientRetry.RunAsync(RunOnceAsync, cancellationToken);

    private async Task<long> RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT release_limited_jobs()");
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
