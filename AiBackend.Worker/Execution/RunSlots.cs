using AiBackend.Core.Queue;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution;

/// <summary>A few slots beyond the others for runs, whose looks take no time and ask no model (ADR 0035).</summary>
/// <remarks>
/// In the line of jobs they would wait for those of their model: what a step gives that needs no job would be as late as what needs one, and each stage of a run
/// would stand in line twice. Runs that find a slot at once never come here.
/// </remarks>
internal sealed class RunSlots(FindQueuedRuns runs, IOptions<WorkerOptions> options)
{
    /// <summary>What waits for less may be on its way to another slot.</summary>
    private static readonly TimeSpan Waited = TimeSpan.FromMilliseconds(250);

    public int Count => options.Value.Looks;

    /// <returns>Runs that may be claimed for them.</returns>
    public Task<Guid[]> FindAsync(int limit, CancellationToken cancellationToken) => runs.RunAsync(Waited, limit, cancellationToken);
}
