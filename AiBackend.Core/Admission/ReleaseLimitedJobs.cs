using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Admission;

/// <summary>Lets jobs that wait for a provider's limit go on as soon as there is room: the leader's part. See 0064_limited_jobs.sql.</summary>
public sealed class ReleaseLimitedJobs([FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds)
{
    /// <returns>How many are due now.</returns>
    public Task<long> RunAsync(CancellationToken cancellationToken) => TransientRetry.RunAsync(RunOnceAsync, cancellationToken);

    private async Task<long> RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var command = rounds.CreateCommand("SELECT release_limited_jobs()");
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
