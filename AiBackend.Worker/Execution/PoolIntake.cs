using System.Threading.Channels;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution;

/// <summary>Claims the jobs of the pools besides the default one, each for slots of its own; and those for the <see cref="SpareSlots"/> and the <see cref="RunSlots"/>.</summary>
/// <remarks>
/// Their jobs come straight from Postgres: such a pool is for jobs that are few, long or dangerous, to which a quarter of a second
/// is nothing. Without such pools, and while no model fills the other slots, it asks for runs alone, through an index that is all but empty. What may not
/// be claimed stays in these indexes, such as the jobs of a tenant that is paused: looking through many of them for none is done the less often.
/// </remarks>
internal sealed class PoolIntake(
    QueuePools pools,
    FindPooledJobs findPooled,
    SpareSlots spare,
    RunSlots runs,
    IStorageWatch storage,
    ClaimJobs claimJobs,
    JobRunner runner,
    WorkerIdentity identity,
    WorkerDrain drain,
    IOptions<WorkerOptions> options,
    TimeProvider clock,
    ILogger<PoolIntake> logger
) : BackgroundService
{
    private const int MaxClaim = 64;

    // Looks that find nothing take no more than a twentieth of the time, unless what was paused would be found too late.
    private const int ShareOfTime = 20;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var serving = pools
            .Others.Where(pool => options.Value.Serves(pool.Name))
            .Select(pool => ServeAsync(pool.Name, pool.Slots, (limit, token) => findPooled.RunAsync(pool.Name, limit, token), drain.Begun))
            .ToList();
        if (spare.Count > 0)
        {
            serving.Add(ServeAsync(QueuePools.Default, spare.Count, spare.FindAsync, drain.Begun));
        }

        if (runs.Count > 0)
        {
            serving.Add(ServeAsync(QueuePools.Default, runs.Count, runs.FindAsync, drain.Begun));
        }

        await Task.WhenAll(serving);
    }

    internal async Task ServeAsync(string pool, int count, Func<int, CancellationToken, Task<Guid[]>> find, CancellationToken stoppingToken)
    {
        // One permit a free slot.
        var slots = Channel.CreateUnbounded<bool>();
        for (var i = 0; i < count; i++)
        {
            slots.Writer.TryWrite(true);
        }

        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await slots.Reader.WaitToReadAsync(stoppingToken);
                await storage.WaitUntilBackAsync(stoppingToken);
                await Task.Delay(await TakeAsync(pool, find, slots, stoppingToken), clock, stoppingToken);
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

                await Task.Delay(Interval, clock, stoppingToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            }
        }

        for (var i = 0; i < count; i++)
        {
            // None: ends when the last attempt has ended or given its job back, which GraceOver and the host's time-out bound.
            await slots.Reader.ReadAsync(CancellationToken.None);
        }
    }

    /// <returns>How long to wait before the next look; not at all when jobs were started.</returns>
    private async Task<TimeSpan> TakeAsync(
        string pool,
        Func<int, CancellationToken, Task<Guid[]>> find,
        Channel<bool> slots,
        CancellationToken cancellationToken
    )
    {
        var begun = clock.GetTimestamp();
        var ids = await find(Math.Min(slots.Reader.Count, MaxClaim), cancellationToken);
        if (ids.Length == 0)
        {
            var share = clock.GetElapsedTime(begun) * ShareOfTime;
            return TimeSpan.FromTicks(Math.Clamp(share.Ticks, Interval.Ticks, LongestPause.Ticks));
        }

        var sentAt = clock.GetTimestamp();
        // None: a claim that was sent may be committed, and then its jobs are ours to run or to give back; its time-out bounds it.
        var claimed = await claimJobs.RunInPoolAsync(identity.Id, pool, ids, options.Value.LeaseDuration, CancellationToken.None);
        foreach (var job in claimed)
        {
            slots.Reader.TryRead(out _);
            _ = RunOneAsync(job, sentAt, slots);
        }

        return claimed.Count == 0 ? Interval : TimeSpan.Zero;
    }

    private async Task RunOneAsync(ClaimedJob job, long sentAt, Channel<bool> slots)
    {
        try
        {
            await runner.RunAsync(job, sentAt, drain.GraceOver);
        }
        finally
        {
            slots.Writer.TryWrite(true);
        }
    }
}
