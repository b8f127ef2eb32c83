using AiBackend.Core.Database;
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
    PruneRemains pruneRemains,
    RetentionMetrics metrics,
    IOptions<RetentionOptions> options,
    ILogger<RetentionRounds> logger
)
{
    // Nothing here is urgent: partitions are made weeks ahead, and a partition that is not over may be looked at row by row.
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);
    private static readonly TimeSpan AfterBusy = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromMinutes(15);

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

    /// <summary>Makes weeks, drops weeks and deletes what has no week of its own. One part's failure keeps back no other part.</summary>
    /// <returns>When the next round should follow.</returns>
    public async Task<TimeSpan> PartitionAsync(CancellationToken cancellationToken)
    {
        var next = Earlier(
            await TryAsync("add partitions", AddAsync, cancellationToken),
            await TryAsync("forget what is left of sessions, keys and jobs", pruneRemains.RunAsync, cancellationToken)
        );
        if (options.Value.Jobs == TimeSpan.Zero)
        {
            return next;
        }

        foreach (var suffix in await partitions.FindOldAsync(options.Value.Jobs, cancellationToken))
        {
            next = Earlier(next, await TryAsync($"drop partition {suffix}", token => DropAsync(suffix, token), cancellationToken));
        }

        next = Earlier(next, await TryAsync("empty the default partition", PruneDefaultAsync, cancellationToken));
        return Earlier(
            next,
            await TryAsync(
                "forget old bulk actions and alerts",
                token => pruneDeadLetters.RunAsync(options.Value.Jobs, token),
                cancellationToken
            )
        );
    }

    private async Task AddAsync(CancellationToken cancellationToken)
    {
        if (await partitions.AddAheadAsync(options.Value.WeeksAhead, cancellationToken) is > 0 and var added)
        {
            logger.PartitionsAdded(added);
        }
    }

    private async Task DropAsync(string suffix, CancellationToken cancellationToken)
    {
        if (await partitions.DropIfOverAsync(suffix, options.Value.Jobs, cancellationToken) is { } letters)
        {
            logger.PartitionDropped(suffix);
            TellExpired(letters, suffix);
        }
    }

    private async Task PruneDefaultAsync(CancellationToken cancellationToken)
    {
        var (_, letters) = await partitions.PruneDefaultAsync(options.Value.Jobs, cancellationToken);
        TellExpired(letters, "default");
    }

    private void TellExpired(long letters, string partition)
    {
        if (letters > 0)
        {
            metrics.LettersExpired(letters);
            logger.OpenLettersExpired(letters, partition);
        }
    }

    /// <returns>When this should be tried again.</returns>
    private async Task<TimeSpan> TryAsync(string part, Func<CancellationToken, Task> run, CancellationToken cancellationToken)
    {
        try
        {
            await run(cancellationToken);
            return Interval;
        }
        catch (PostgresException busy) when (busy.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            // Safe to go on: partitions are made weeks ahead, and an old one may stay a little longer.
            logger.PartitionsBusy(busy);
            return AfterBusy;
        }
        catch (NpgsqlException failure) when (StorageFailures.Of(failure) is null or StorageTrouble.Busy)
        {
            // Safe for the same reason. Not soon again: a look at a large partition costs minutes. Postgres away is everybody's trouble,
            // and the caller's to wait for.
            logger.RetentionFailed(failure, part, AfterFailure.TotalMinutes);
            return AfterFailure;
        }
    }

    private static TimeSpan Earlier(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
