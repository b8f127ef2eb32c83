using AiBackend.Core.Admission;
using AiBackend.Core.Money;
using AiBackend.Core.Queue.Limits;

namespace AiBackend.Worker.Maintenance;

/// <summary>The leader's rounds for limits, and for calls and what they cost.</summary>
internal sealed class MoneyRounds(
    ReleaseLimitedJobs releaseLimited,
    ReleaseRunningLimits releaseRunning,
    ReleaseBudgetedJobs releaseBudgeted,
    CloseAbandonedCalls closeAbandoned,
    PruneCallWindows pruneWindows,
    PruneUsage pruneUsage
)
{
    private static readonly TimeSpan CloseInterval = TimeSpan.FromSeconds(10);

    public async Task ReleaseAsync(CancellationToken cancellationToken)
    {
        await releaseLimited.RunAsync(cancellationToken);
        await releaseRunning.RunAsync(cancellationToken);
        await releaseBudgeted.RunAsync(cancellationToken);
    }

    public async Task<TimeSpan> CloseAsync(CancellationToken cancellationToken)
    {
        await closeAbandoned.RunAsync(CloseAbandonedCalls.After, cancellationToken);
        return CloseInterval;
    }

    public async Task PruneAsync(CancellationToken cancellationToken)
    {
        await pruneWindows.RunAsync(cancellationToken);
        await pruneUsage.RunAsync(cancellationToken);
    }
}
