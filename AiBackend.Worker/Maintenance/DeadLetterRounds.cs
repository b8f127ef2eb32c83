using AiBackend.Core.DeadLetters;
using AiBackend.Core.DeadLetters.Alerts;
using AiBackend.Core.DeadLetters.Bulk;

namespace AiBackend.Worker.Maintenance;

/// <summary>The leader's rounds for jobs that failed for good.</summary>
internal sealed class DeadLetterRounds(
    LabelDeadLetters label,
    RunBulkActions bulk,
    CountBulkActions count,
    RaiseAlerts alerts,
    TellAlerts tell,
    AlertMetrics metrics
)
{
    private static readonly TimeSpan LabelInterval = TimeSpan.FromMilliseconds(500);

    // Four steps a second keep the rate; see BulkStatements.
    private static readonly TimeSpan BulkInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan AlertInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(1);

    public async Task<TimeSpan> LabelAsync(CancellationToken cancellationToken)
    {
        await label.RunAsync(cancellationToken);
        return LabelInterval;
    }

    public async Task<TimeSpan> RunBulkActionsAsync(CancellationToken cancellationToken)
    {
        var running = await bulk.RunAsync(cancellationToken);
        await count.RunAsync(cancellationToken);
        return running > 0 ? BulkInterval : IdleInterval;
    }

    public async Task<TimeSpan> RaiseAlertsAsync(CancellationToken cancellationToken)
    {
        await alerts.RunAsync(cancellationToken);
        return AlertInterval;
    }

    public async Task<TimeSpan> TellAlertsAsync(CancellationToken cancellationToken)
    {
        await tell.RunAsync(cancellationToken);
        return IdleInterval;
    }

    /// <summary>This process no longer leads.</summary>
    public void Clear() => metrics.Clear();
}
