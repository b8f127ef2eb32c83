using AiBackend.Core.Database;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution;

/// <summary>Renews all leases of this worker beside the attempts they protect, and stops attempts whose lease it cannot vouch for.</summary>
/// <remarks>Its own task, sharing no lock with the work: a busy or stuck attempt must not cost the others their leases.</remarks>
internal sealed class LeaseKeeper(
    IJobStore store,
    HeldLeases held,
    LeasedWrites writes,
    IStorageWatch storage,
    WorkerIdentity identity,
    WorkerDrain drain,
    IOptions<WorkerOptions> options,
    TimeProvider clock,
    ILogger<LeaseKeeper> logger
) : BackgroundService
{
    private readonly TimeSpan _usable = options.Value.LeaseDuration - options.Value.LeaseSafetyMargin;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var watching = WatchAsync(stoppingToken);
        using var timer = new PeriodicTimer(options.Value.RenewalInterval, clock);
        try
        {
            do
            {
                await RenewAsync(stoppingToken);
            } while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The worker has stopped; its jobs have ended or were given back.
        }

        await watching;
        await RecordStopAsync();
    }

    private async Task RenewAsync(CancellationToken cancellationToken)
    {
        var leases = held.Snapshot();
        var sentAt = clock.GetTimestamp();
        var heartbeat = new WorkerHeartbeat(
            identity.Id,
            identity.Name,
            options.Value.AllSlots,
            leases.Count,
            writes.FencedCount,
            drain.IsDraining,
            identity.TakesReady ? options.Value.ReadySlots : 0
        )
        {
            Ended = writes.EndedCount,
        };
        // A renewal that hangs must not outlive the lease it renews.
        using var timeUp = new CancellationTokenSource(options.Value.LeaseSafetyMargin, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeUp.Token, cancellationToken);
        try
        {
            if (leases.Count > 0)
            {
                FaultPoints.Hit(FaultPoint.K16);
            }

            var renewed = await store.RenewAsync(
                heartbeat,
                [.. leases.Select(lease => lease.Job.Job.Lease)],
                options.Value.LeaseDuration,
                both.Token
            );
            foreach (var lease in leases)
            {
                if (!renewed.TryGetValue(lease.Job.Job.Lease.JobId, out var cancelRequested))
                {
                    // Ended meanwhile, or taken over; for an ended one this changes nothing.
                    lease.Job.Lose();
                    continue;
                }

                lease.ConfirmedAt = sentAt;
                if (cancelRequested)
                {
                    lease.Job.RequestCancel();
                }
            }
        }
        catch (Exception failure)
            when (StorageFailures.MayCome(failure) || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // Safe to go on: the leases have time left, and WatchAsync stops the work before they run out.
            var trouble =
                failure is OperationCanceledException ? new TimeoutException("The renewal of leases took too long.", failure) : failure;
            if (!storage.Report(trouble))
            {
                logger.RenewalFailed(failure);
            }
        }
    }

    private async Task WatchAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.LeaseSafetyMargin / 4, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                if (held.LoseUnconfirmed(_usable) is > 0 and var lost)
                {
                    logger.LeasesGivenUp(lost, _usable.TotalSeconds);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The worker has stopped.
        }
    }

    private async Task RecordStopAsync()
    {
        try
        {
            // None: the process is ending; the short command time-out of the data source bounds it.
            await store.RecordStopAsync(identity.Id, CancellationToken.None);
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe: without a heartbeat the row soon reads "lost".
            logger.StopNotRecorded(failure);
        }
    }
}
