using AiBackend.Core.Database;
using AiBackend.Core.Events;
using AiBackend.Core.Jobs;

namespace AiBackend.Worker.Execution;

/// <summary>Stops the attempts whose job a caller has cancelled: at once when Redis says so, within half a second whatever Redis does.</summary>
internal sealed class CancelWatch(
    CancelSignals signals,
    IJobStore store,
    HeldLeases held,
    IStorageWatch storage,
    WorkerIdentity identity,
    TimeProvider clock,
    ILogger<CancelWatch> logger
) : BackgroundService
{
    // A message can be lost while Redis seems well, so this does not depend on its state; with nothing running it costs nothing.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await signals.SubscribeAsync(held.Cancel);
        using var timer = new PeriodicTimer(Interval, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                if (held.Count > 0 && !storage.IsAway)
                {
                    await LookAsync(stoppingToken);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The worker has stopped; its jobs have ended or were given back.
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (var id in await store.FindCancelledAsync(identity.Id, cancellationToken))
            {
                held.Cancel(id);
            }
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // Safe to go on: the mark stays, and the next look or the renewal finds it.
            if (!storage.Report(failure))
            {
                logger.CancelLookFailed(failure);
            }
        }
    }
}
