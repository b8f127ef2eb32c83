using AiBackend.Api.Problems;
using AiBackend.Core.Controls.Caps;
using static System.FormattableString;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Refuses at once what would be one job too many, so that nothing is accepted that nobody can do in time.</summary>
internal sealed class FullQueue(QueueCaps caps, SubmissionMetrics metrics)
{
    /// <returns>Why a job would be refused now; null when there is room.</returns>
    public Refusal? RefuseIfFull(Guid tenantId) => Explained(caps.Check(tenantId));

    /// <returns>Why the job is refused now; null when there is room, which is taken.</returns>
    public Refusal? Refuse(Guid tenantId) => Explained(caps.TryEnter(tenantId));

    private Refusal? Explained(CapReached? full)
    {
        if (full is not { } reached)
        {
            return null;
        }

        metrics.Refused(reached.Limit);
        return (reached.OfTenant ? ProblemTypes.TenantQueueFull : ProblemTypes.QueueFull).With(Explain(reached)) with
        {
            RetryAfter = reached.RetryAfter,
        };
    }

    private static string Explain(CapReached reached) =>
        reached.Limit switch
        {
            "max_queued" => Invariant(
                $"{reached.Now} jobs wait here, and {reached.Most} may (max_queued). Nothing was accepted; send it again later."
            ),
            "max_queued_per_tenant" => Invariant(
                $"{reached.Now} jobs of this tenant wait, and {reached.Most} may (max_queued_per_tenant). Nothing was accepted; send it again when some of them are done, or cancel some."
            ),
            "max_wait" => Invariant(
                $"A new job would wait for about {reached.Now} s, and {reached.Most} s are the most (max_wait). Nothing was accepted; send it again later."
            ),
            _ => Invariant(
                $"A new job of this tenant would wait for about {reached.Now} s, and {reached.Most} s are the most (max_wait_per_tenant). Nothing was accepted; send it again when some of its jobs are done."
            ),
        };
}
