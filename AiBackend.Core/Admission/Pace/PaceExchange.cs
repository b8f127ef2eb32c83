using AiBackend.Core.Database;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Admission.Pace;

/// <summary>Tells the other processes which deployments are asked too fast, and learns of theirs, every second.</summary>
internal sealed class PaceExchange(CallPaces paces, IStorageWatch storage, TimeProvider clock, ILogger<PaceExchange> logger)
    : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                if (!await TryExchangeAsync(stoppingToken))
                {
                    await Task.Delay(Period, clock, stoppingToken);
                    continue;
                }

                using var over = new CancellationTokenSource(Period, clock);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, over.Token);
                try
                {
                    await paces.WaitForNewsAsync(either.Token);
                }
                catch (OperationCanceledException) when (!stoppingToken.IsCancellationRequested)
                {
                    // No news: look what the others know.
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The others find out for themselves.
        }
    }

    private async Task<bool> TryExchangeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await paces.ExchangeAsync(cancellationToken);
            return true;
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            if (!storage.Report(failure))
            {
                logger.PaceExchangeFailed(failure);
            }

            return false;
        }
    }
}
