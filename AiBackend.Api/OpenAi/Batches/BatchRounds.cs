using AiBackend.Core.Batches;
using AiBackend.Core.Database;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi.Batches;

/// <summary>Carries batches on in small steps, each of which is in Postgres before the next: whoever dies is followed by another Api.</summary>
internal sealed class BatchRounds(
    BatchSteps steps,
    ReadBatchFile read,
    SubmitLines submit,
    WriteBatchFiles write,
    CancelJob cancel,
    IStorageWatch storage,
    TimeProvider clock,
    ILogger<BatchRounds> logger
) : BackgroundService
{
    private const int MostAtOnce = 16;
    private const int CancelledAtOnce = 200;
    private static readonly TimeSpan BusyInterval = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan WaitingInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await storage.WaitUntilBackAsync(stoppingToken);
                await Task.Delay(await RunAsync(stoppingToken), clock, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure)
            {
                // Safe to go on: every step starts from what Postgres says.
                if (!storage.Report(failure))
                {
                    logger.BatchesNotFound(failure);
                }

                // None: a second bounds it.
                await Task.Delay(IdleInterval, clock, CancellationToken.None);
            }
        }
    }

    /// <returns>When to look again.</returns>
    private async Task<TimeSpan> RunAsync(CancellationToken cancellationToken)
    {
        var batches = await steps.ClaimAsync(MostAtOnce, cancellationToken);
        var busy = await Task.WhenAll(batches.Select(batch => TryStepAsync(batch, cancellationToken)));
        return busy.Contains(true) ? BusyInterval
            : batches.Count > 0 ? WaitingInterval
            : IdleInterval;
    }

    private async Task<bool> TryStepAsync(Batch batch, CancellationToken cancellationToken)
    {
        try
        {
            return await StepAsync(batch, cancellationToken);
        }
        catch (Exception failure) when (!cancellationToken.IsCancellationRequested && StorageFailures.Of(failure) is null)
        {
            // Safe to go on: it is tried again in the next round, and so are the others.
            logger.BatchStepFailed(failure, batch.Id);
            return false;
        }
    }

    /// <returns>Whether there is more to do at once.</returns>
    private async Task<bool> StepAsync(Batch batch, CancellationToken cancellationToken)
    {
        if (batch.Status == BatchStatus.Validating)
        {
            await read.RunAsync(batch, cancellationToken);
            return true;
        }

        if (batch.Status == BatchStatus.Finalizing)
        {
            await write.RunAsync(batch, cancellationToken);
            return false;
        }

        if (batch.Status == BatchStatus.Cancelling)
        {
            await CancelAsync(batch, cancellationToken);
        }
        else
        {
            await steps.ExpireAsync(batch, cancellationToken);
        }

        var (waiting, submitted) = await steps.CollectAsync(batch, cancellationToken);
        if (waiting + submitted == 0)
        {
            await write.RunAsync(batch, cancellationToken);
            return false;
        }

        return waiting > 0 && submitted < SubmitLines.MostOpen && await submit.RunAsync(batch, submitted, cancellationToken);
    }

    private async Task CancelAsync(Batch batch, CancellationToken cancellationToken)
    {
        await steps.LeaveAsync(batch, cancellationToken);
        foreach (var line in await steps.LinesAsync(batch, LineState.Submitted, after: 0, CancelledAtOnce, cancellationToken))
        {
            await cancel.RunAsync(batch.TenantId, line.JobId!.Value, cancellationToken);
        }
    }
}
