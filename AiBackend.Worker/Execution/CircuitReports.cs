using AiBackend.Core.Database;
using AiBackend.Core.Operations;
using AiBackend.Core.Providers.Circuits;

namespace AiBackend.Worker.Execution;

/// <summary>Tells those who make no calls which deployments this worker does not ask, and other workers which it found well: at every change, and again when Postgres did not take it.</summary>
internal sealed class CircuitReports(
    CircuitBreakers circuits,
    DownDeployments down,
    WorkerIdentity identity,
    IStorageWatch storage,
    TimeProvider clock,
    ILogger<CircuitReports> logger
) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>What this worker has found well and the others do not know.</summary>
    private readonly HashSet<(string Provider, string Model)> _well = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await circuits.WaitForChangeAsync(stoppingToken);
                while (!await TryReportAsync(stoppingToken))
                {
                    await Task.Delay(Pause, clock, stoppingToken);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // What a stopped worker said counts for nothing.
        }
    }

    private async Task<bool> TryReportAsync(CancellationToken cancellationToken)
    {
        try
        {
            _well.UnionWith(circuits.TakeFoundWell());
            if (_well.Count > 0)
            {
                await down.RecordWellAsync([.. _well], cancellationToken);
                _well.Clear();
            }

            var open = circuits.Open.Select(each => new DownDeployment(each.Provider, each.Model, each.IsProbed, each.Left)).ToList();
            await down.RecordAsync(identity.Id, open, cancellationToken);
            return true;
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            if (!storage.Report(failure))
            {
                logger.CircuitReportFailed(failure);
            }

            return false;
        }
    }
}
