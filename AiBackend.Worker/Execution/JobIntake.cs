using AiBackend.Core.Database;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace AiBackend.Worker.Execution;

/// <summary>Claims jobs while slots are free, and only then, so that no lease ages in a local queue.</summary>
internal sealed class JobIntake(
    IReadyQueue queue,
    IQueuedJobs queuedJobs,
    IRedisChannels redis,
    IStorageWatch storage,
    ClaimJobs claimJobs,
    JobRunner runner,
    WorkerIdentity identity,
    WorkerDrain drain,
    SlotUse slots,
    IOptions<WorkerOptions> options,
    TimeProvider clock,
    Random random,
    ILogger<JobIntake> logger
) : BackgroundService
{
    private const int MaxClaim = 256;
    private const int MaxDoublings = 4;
    private static readonly TimeSpan FirstBackOff = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan MissedAfter = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan GatherSlots = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan PollWithoutRedis = TimeSpan.FromMilliseconds(250);

    // Holds at most one nudge: new work or a free slot, whichever, means "look again".
    private readonly Nudges _nudges = new(clock);

    // Read, and not claimed because that failed. Nobody else is given them, and the dispatcher takes them for slots that are used.
    private readonly List<ReadyEntry> _unclaimed = [];

    private int _failures;
    private long _lastLookAt;

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => TakeUntilAsync(drain.Begun);

    private async Task TakeUntilAsync(CancellationToken stoppingToken)
    {
        if (!options.Value.Serves(QueuePools.Default))
        {
            return;
        }

        await redis.SubscribeAsync(queue.WakeChannel, _ => _nudges.Give());
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await storage.WaitUntilBackAsync(stoppingToken);
                var more = await TakeAsync(stoppingToken);
                _failures = 0;
                if (!more)
                {
                    await _nudges.WaitAsync(redis.IsConnected ? options.Value.PollInterval : PollWithoutRedis, stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception failure)
            {
                // Safe to go on: nothing was claimed, or the claim's lease expires and the rescuer returns the jobs.
                if (!storage.Report(failure))
                {
                    logger.IntakeFailed(failure);
                }

                await BackOffAsync(stoppingToken);
            }
        }

        await DrainAsync();
    }

    /// <returns>Whether there may be more to take at once.</returns>
    private async Task<bool> TakeAsync(CancellationToken cancellationToken)
    {
        var free = Math.Min(slots.Free, MaxClaim);
        if (free <= 0)
        {
            return false;
        }

        if (!redis.IsConnected && free < MaxClaim && slots.Taken > 0)
        {
            // Jobs end in batches, and looking into Postgres for each free slot alone would cost more than the jobs.
            await Task.Delay(GatherSlots, clock, cancellationToken);
            free = Math.Min(slots.Free, MaxClaim);
        }

        var isRepeat = _unclaimed.Count > 0;
        if (!isRepeat)
        {
            _unclaimed.AddRange(await ReadAsync(free, cancellationToken));
        }

        var entries = _unclaimed.Take(free).ToList();
        if (entries.Count == 0)
        {
            return false;
        }

        FaultPoints.Hit(FaultPoint.K6);
        var sentAt = clock.GetTimestamp();
        // None: a claim that was sent may be committed, and then its jobs are ours to run or to give back; its time-out bounds it.
        var claimed = await claimJobs.RunAsync(
            identity.Id,
            entries.Select(entry => entry.JobId),
            options.Value.LeaseDuration,
            CancellationToken.None
        );
        _unclaimed.RemoveRange(0, entries.Count);
        Start(claimed, entries, sentAt);
        // A page of jobs that nobody here can take is no reason to look again at once.
        return isRepeat || (entries.Count == free && claimed.Count > 0);
    }

    private async Task<IReadOnlyList<ReadyEntry>> ReadAsync(int count, CancellationToken cancellationToken)
    {
        var missedBy = TimeSpan.Zero;
        if (redis.IsConnected)
        {
            try
            {
                var entries = await queue.ReadAsync(identity.Consumer, count);
                if (entries.Count > 0 || clock.GetElapsedTime(_lastLookAt) < options.Value.PollInterval)
                {
                    return entries;
                }

                // Redis answers and has nothing. A dispatcher has its reasons; but it may be gone, or Redis may refuse its writes, and
                // then jobs grow old.
                _lastLookAt = clock.GetTimestamp();
                if (await queue.IsGuidedAsync())
                {
                    return entries;
                }

                missedBy = MissedAfter;
            }
            catch (Exception failure) when (failure is RedisException or TimeoutException or ObjectDisposedException)
            {
                redis.ReportFailure(failure);
            }
        }

        _lastLookAt = clock.GetTimestamp();
        var ids = await queuedJobs.FindAsync(count, missedBy, cancellationToken);
        return [.. ids.Select(id => new ReadyEntry("", id))];
    }

    private void Start(IReadOnlyList<ClaimedJob> claimed, List<ReadyEntry> entries, long sentAt)
    {
        var entryOf = new Dictionary<Guid, List<string>>(entries.Count);
        foreach (var entry in entries.Where(entry => entry.EntryId.Length > 0))
        {
            if (!entryOf.TryGetValue(entry.JobId, out var ids))
            {
                entryOf.Add(entry.JobId, ids = []);
            }

            ids.Add(entry.EntryId);
        }

        slots.Take(claimed.Count);
        foreach (var job in claimed)
        {
            entryOf.Remove(job.Lease.JobId, out var ids);
            _ = RunOneAsync(job, ids ?? [], sentAt);
        }

        // Taken, ended or expired meanwhile: Postgres has said so, and these entries have nothing left to tell.
        if (entryOf.Count > 0)
        {
            _ = AcknowledgeAsync([.. entryOf.Values.SelectMany(ids => ids)]);
        }
    }

    private async Task RunOneAsync(ClaimedJob job, List<string> entryIds, long sentAt)
    {
        var recorded = false;
        try
        {
            recorded = await runner.RunAsync(job, sentAt, drain.GraceOver);
        }
        finally
        {
            // The slot is free now; the acknowledgement must not hold it while Redis is slow.
            slots.Release();
            _nudges.Give();
        }

        if (recorded)
        {
            FaultPoints.Hit(FaultPoint.K12, job.Model);
            await AcknowledgeAsync(entryIds);
            FaultPoints.Hit(FaultPoint.K13, job.Model);
        }
    }

    private async Task AcknowledgeAsync(List<string> entryIds)
    {
        try
        {
            await queue.AcknowledgeAsync(entryIds);
        }
        catch (Exception failure) when (failure is RedisException or TimeoutException or ObjectDisposedException)
        {
            // Safe: the entry stays pending until the dispatcher drops it, and claims nothing meanwhile.
            redis.ReportFailure(failure);
        }
    }

    /// <summary>Waits longer after every failure, and for a random part of it: workers that failed together must not return together.</summary>
    private async Task BackOffAsync(CancellationToken stoppingToken)
    {
        var most = FirstBackOff * (1 << Math.Min(_failures++, MaxDoublings));
        await Task.Delay(most * (0.5 + (random.NextDouble() / 2)), clock, stoppingToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    private async Task DrainAsync()
    {
        logger.Draining(slots.Taken, drain.GracePeriod.TotalSeconds);
        FaultPoints.Hit(FaultPoint.K17);
        while (slots.Taken > 0)
        {
            // None: ends when the last attempt has ended or given its job back, which GraceOver and the host's time-out bound.
            await _nudges.WaitAsync(Timeout.InfiniteTimeSpan, CancellationToken.None);
        }

        try
        {
            await queue.RemoveConsumerAsync(identity.Consumer);
        }
        catch (Exception failure) when (failure is RedisException or TimeoutException or ObjectDisposedException)
        {
            // Safe: a consumer without entries costs a few bytes.
            redis.ReportFailure(failure);
        }
    }
}
