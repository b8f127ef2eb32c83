using AiBackend.Core.Database;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace AiBackend.Core.Queue.Limits;

/// <summary>Lets jobs go on that wait because as many of their key or tenant ran as may: the leader's part. See 0079_running_limits.sql.</summary>
/// <remarks>What is let go on is claimed like any other job, and the claim alone decides; so a limit holds whoever leads, and when nobody does.</remarks>
public sealed class ReleaseRunningLimits([FromKeyedServices(DatabaseRegistration.Rounds)] NpgsqlDataSource rounds)
{
    // Of a limit that was taken away, in one look.
    private const int MostAtOnce = 500;

    /// <returns>How many are due now.</returns>
    public Task<long> RunAsync(CancellationToken cancellationToken) => TransientRetry.RunAsync(RunOnceAsync, cancellationToken);

    private async Task<long> RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var hot = await HotCommand.OpenAsync(
            rounds,
            "SELECT release_running(@limit)",
            parameters => parameters.AddWithValue("limit", MostAtOnce),
            cancellationToken
        );
        return (long)(await hot.Command.ExecuteScalarAsync(cancellationToken))!;
    }
}
