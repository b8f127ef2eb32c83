using AiBackend.Core.Database;
using Npgsql;

namespace AiBackend.Core.Admission;

/// <summary>Lets jobs that wait for money go on as far as there is some: the leader's part. See 0015c_calls.sql.</summary>
public sealed class ReleaseBudgetedJobs(NpgsqlDataSource database)
{
    /// <returns>How many are due now.</returns>
    public Task<long> RunAsync(CancellationToken cancellationToken) => TransientRetry.RunAsync(RunOnceAsync, cancellationToken);

    private async Task<long> RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT release_budgeted_jobs()");
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
