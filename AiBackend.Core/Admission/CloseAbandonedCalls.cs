using AiBackend.Core.Database;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Admission;

/// <summary>Books calls whose end nobody will tell any more: the leader's part.</summary>
/// <remarks>A rescue books those of the jobs it takes. What is left is of workers that died after a job's end and before the call's.</remarks>
public sealed class CloseAbandonedCalls(NpgsqlDataSource database, ILogger<CloseAbandonedCalls> logger)
{
    private const int MaxBatch = 500;

    /// <summary>Longer than a living worker takes from a job's end to its calls' settlement.</summary>
    public static readonly TimeSpan After = TimeSpan.FromMinutes(1);

    /// <returns>How many calls were booked.</returns>
    public async Task<long> RunAsync(TimeSpan after, CancellationToken cancellationToken)
    {
        var all = 0L;
        while (await TransientRetry.RunAsync(token => RunOnceAsync(after, token), cancellationToken) is > 0 and var closed)
        {
            all += closed;
        }

        if (all > 0)
        {
            logger.CallsAbandoned(all);
        }

        return all;
    }

    private async Task<long> RunOnceAsync(TimeSpan after, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT close_abandoned_calls(@after, @limit)");
        command.Parameters.AddWithValue("after", NpgsqlDbType.Interval, after);
        command.Parameters.AddWithValue("limit", MaxBatch);
        return await command.ExecuteScalarAsync(cancellationToken) is long closed ? closed : 0;
    }
}
