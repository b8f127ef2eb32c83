using AiBackend.Core.Audit;
using AiBackend.Core.Batches;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Estimates;
using AiBackend.Core.Repeats;
using AiBackend.Core.Webhooks;
using AiBackend.Core.Webhooks.Inbound;
using AiBackend.Worker.Execution;

namespace AiBackend.Worker.Maintenance;

/// <summary>The leader forgets what is of no use any more and does not age with jobs, and puts down what is never forgotten.</summary>
internal sealed class PruneRounds(
    PruneKeys keys,
    PruneWorkers workers,
    PruneEstimates estimates,
    ForgetRefusedKeys refusedKeys,
    DeliveryStore deliveries,
    WebhookReceipts receipts,
    KeptAnswers keptAnswers,
    FileStore files,
    PruneBatches batches,
    AuditAnchors anchors
)
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await keys.RunAsync(cancellationToken);
        await workers.RunAsync(cancellationToken);
        await estimates.RunAsync(cancellationToken);
        await refusedKeys.RunAsync(cancellationToken);
        await deliveries.PruneAsync(cancellationToken);
        await receipts.PruneAsync(cancellationToken);
        await keptAnswers.PruneAsync(cancellationToken);
        await files.PruneAsync(cancellationToken);
        await batches.RunAsync(cancellationToken);
        await anchors.RunAsync(cancellationToken);
    }
}
