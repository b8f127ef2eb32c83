namespace AiBackend.LocalHost.Supervision;

/// <summary>Probes a running process: soon and then less often until it is healthy, every ten seconds after.</summary>
internal sealed class HealthWatch(IProcessRecipe recipe, SupervisionContext context)
{
    private static readonly TimeSpan FirstInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan MaxInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan IntervalWhenHealthy = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan MaxProbeTime = TimeSpan.FromSeconds(5);

    public async Task WatchAsync(string replicaId, Action<bool> report, CancellationToken cancellationToken)
    {
        var hasBeenHealthy = false;
        var interval = FirstInterval;
        try
        {
            while (true)
            {
                var isHealthy = await ProbeAsync(cancellationToken);
                if (isHealthy && !hasBeenHealthy)
                {
                    isHealthy = hasBeenHealthy = await FinishStartAsync(replicaId, cancellationToken);
                }

                report(isHealthy);
                interval = isHealthy ? FirstInterval : interval * 1.5;
                interval = interval > MaxInterval ? MaxInterval : interval;
                await Task.Delay(isHealthy ? IntervalWhenHealthy : interval, context.Time, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The process ended or is being stopped; its health is nobody's concern any more.
        }
    }

    private async Task<bool> ProbeAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(MaxProbeTime);
        try
        {
            return await recipe.IsHealthyAsync(patience.Token);
        }
        catch (Exception)
        {
            // Also a connection that broke because the process has ended: that is the end of the watch and not an error of the host.
            cancellationToken.ThrowIfCancellationRequested();

            // Whatever keeps a probe from answering, the answer is that the resource is not healthy.
            return false;
        }
    }

    private async Task<bool> FinishStartAsync(string replicaId, CancellationToken cancellationToken)
    {
        try
        {
            await recipe.BecameHealthyAsync(cancellationToken);
            return true;
        }
        catch (Exception e)
        {
            cancellationToken.ThrowIfCancellationRequested();

            // Tried again with the next probe.
            context.Output.Say($"{replicaId} answered, but could not be made ready: {e.Message}");
            return false;
        }
    }
}
