using System.Collections.Concurrent;
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

    /// <summary>Batches whose files are written at the same time; each holds a page of answers in memory.</summary>
    private const int MostWritten = 4;
    private const int CancelledAtOnce = 200;
    private static readonly TimeSpan BusyInterval = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan WaitingInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(1);

    // Beside the rounds: it may take minutes, and others go on meanwhile.
    private readonly ConcurrentDictionary<Guid, Task> _written = new();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await RepeatAsync(stoppingToken);
        await Task.WhenAll(_written.Values);
    }

    private async Task RepeatAsync(CancellationToken stoppingToken)
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
            return Write(batch, cancellationToken);
        }

        await steps.GiveUpAsync(batch, LineDrafts.KeyOf(batch, BatchSteps.AnyLine), cancellationToken);
        if (batch.Status == BatchStatus.Cancelling)
        {
            await CancelAsync(batch, cancellationToken);
        }

        var (waiting, submitted) = await steps.CollectAsync(batch, cancellationToken);
        if (waiting + submitted == 0)
        {
            return Write(batch, cancellationToken);
        }

        return waiting > 0 && submitted < SubmitLines.MostOpen && await submit.RunAsync(batch, submitted, cancellationToken);
    }

    /// <summary>Begins to write its files, unless that is under way or enough others are written.</summary>
    private bool Write(Batch batch, CancellationToken cancellationToken)
    {
        if (_written.Count < MostWritten && !_written.ContainsKey(batch.Id))
        {
            // Noted before it may end.
            var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _written[batch.Id] = WriteAsync(batch, begin.Task, cancellationToken);
            begin.SetResult();
        }

        return false;
    }

    private async Task WriteAsync(Batch batch, Task begin, CancellationToken cancellationToken)
    {
        await begin;
        try
        {
            await write.RunAsync(batch, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Whoever follows begins anew.
        }
        catch (Exception failure)
        {
            // Safe to go on: the batch stays as it is, and the next round begins anew.
            if (!storage.Report(failure))
            {
                logger.BatchStepFailed(failure, batch.Id);
            }
        }
        finally
        {
            _written.TryRemove(batch.Id, out _);
        }
    }

    private async Task CancelAsync(Batch batch, CancellationToken cancellationToken)
    {
        foreach (var line in await steps.LinesAsync(batch, LineState.Submitted, after: 0, CancelledAtOnce, cancellationToken))
        {
            await cancel.RunAsync(batch.TenantId, line.JobId!.Value, cancellationToken);
        }
    }
}
