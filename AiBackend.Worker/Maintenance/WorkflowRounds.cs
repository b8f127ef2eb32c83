using AiBackend.Core.Jobs;
using AiBackend.Core.Workflows;

namespace AiBackend.Worker.Maintenance;

/// <summary>The leader's rounds for runs of workflows: those whose steps have ended go on, and nobody works for those that are over.</summary>
internal sealed class WorkflowRounds(OpenSteps steps, CancelJob cancel)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    public async Task<TimeSpan> RunAsync(CancellationToken cancellationToken)
    {
        if (!await steps.AnyOpenAsync(cancellationToken))
        {
            return Interval;
        }

        await steps.WakeAsync(cancellationToken);
        foreach (var (tenantId, jobId) in await steps.FindOrphansAsync(cancellationToken))
        {
            await cancel.RunAsync(tenantId, jobId, cancellationToken);
        }

        await steps.CloseAsync(cancellationToken);
        return Interval;
    }
}
