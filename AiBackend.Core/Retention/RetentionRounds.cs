using AiBackend.Core.DeadLetters;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiBackend.Core.Retention;

/// <summary>What the leader does about age: partitions ahead and behind, logs of ended jobs, closed dead letters.</summary>
public sealed class RetentionRounds(
    JobPartitions partitions,
    CompactLogs compact,
    PruneDeadLetters pruneDeadLetters,
    IOptions<RetentionOptions> options,
    ILogger<RetentionRounds> logger
)
{
    // Nothing here is urgent: partitions are made four weeks ahead, and a partition that is not over may be looked at row by row.
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);
    private static readonly TimeSpan AfterBusy = TimeSpan.FromMinutes(1);

    // Between two batches others get their turn: this is work for idle moments.
    private static readonly TimeSpan BetweenBatches = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan CompactInterval = TimeSpan.FromSeconds(30);

    /// <returns>When the next round should follow.</returns>
    public async Task<TimeSpan> CompactAsync(CancellationToken cancellationToken)
    {
        if (options.Value.CompactAfter == TimeSpan.Zero)
        {
            return Interval;
        }

        var (_, more) = await compact.RunAsync(options.Value.CompactAfter, cancellationToken);
        return more ? BetweenBatches : CompactInterval;
    }

    /// <returns>When the next round should follow.</returns>
    public async Task<TimeSpan> PartitionAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (await partitions.AddAheadAsync(cancellationToken) is > 0 and var added)
            {
                logger.PartitionsAdded(added);
            }

            if (options.Value.Jobs > TimeSpan.Zero)
            {
                foreach (var suffix in await partitions.DropOldAsync(options.Value.Jobs, cancellationToken))
                {
                    logger.PartitionDropped(suffix);
                }

                await partitions.PruneDefaultAsync(options.Value.Jobs, cancellationToken);
                await pruneDeadLetters.RunAsync(options.Value.Jobs, cancellationToken);
            }

            return Interval;
        }
        catch (PostgresException busy) when (busy.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            // Safe to go on: partitions are made weeks ahead, and an old one may stay a little longer.
            logger.PartitionsBusy(busy);
            return AfterBusy;
        }
    }
}
