using AiBackend.Core.Database;
using AiBackend.Core.Providers.Keys;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Operations;

/// <summary>Tells the other processes which keys a provider has refused, and learns of theirs, and of what was taken back.</summary>
internal sealed class KeyReports(
    RefusedKeys keys,
    RefusedKeyStore store,
    IStorageWatch storage,
    TimeProvider clock,
    ILogger<KeyReports> logger
) : BackgroundService
{
    /// <summary>How long another process may go on with a key, or leave one that was taken back.</summary>
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(2);

    /// <summary>Learns what the others know before this process makes its first call.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await TryExchangeAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await TryExchangeAsync(stoppingToken);
                await NewsOrPeriodAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // What was found out since is found out again.
        }
    }

    private async Task NewsOrPeriodAsync(CancellationToken stoppingToken)
    {
        using var over = new CancellationTokenSource(Period, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, over.Token);
        try
        {
            await keys.WaitForNewsAsync(either.Token);
        }
        catch (OperationCanceledException) when (!stoppingToken.IsCancellationRequested)
        {
            // No news: look what the others know.
        }
    }

    private async Task TryExchangeAsync(CancellationToken cancellationToken)
    {
        try
        {
            var found = keys.Unreported;
            if (found.Count > 0)
            {
                await store.AddAsync([.. found.Select(key => (key.Provider, key.KeyId))], cancellationToken);
            }

            var known = await store.ListAsync(cancellationToken);
            keys.Replace(found, known.Select(key => new RefusedKey(key.Provider, key.KeyId)));
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            if (!storage.Report(failure))
            {
                logger.KeyReportFailed(failure);
            }
        }
    }
}
