using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.Core.DeadLetters;

namespace AiBackend.Api.Workflows;

/// <summary>Makes what a replay of a run asks for that does not begin anew: the run as it was, with what it takes over.</summary>
internal sealed class ReplayedRuns(RerunSource reruns, RunRules rules)
{
    /// <param name="context">The request.</param>
    /// <param name="order">The replay of a run that has ended.</param>
    /// <param name="step">From which on everything is done again.</param>
    /// <param name="input">What the steps call input; null is as it was.</param>
    public async Task<(Refusal? Refusal, ReplayOrder Order)> FromStepAsync(
        HttpContext context,
        ReplayOrder order,
        string step,
        JsonElement? input
    )
    {
        var (found, refusal) = await reruns.FromStepAsync(order.TenantId, order.JobId, step, input, context.RequestAborted);
        if (found is null)
        {
            return (refusal, order);
        }

        (refusal, var run) = await rules.PinAsync(context, found);
        refusal ??= await rules.RefuseNowAsync(context, run);
        return (refusal, order with { Input = run.ToJson(), Title = RunRules.TitleOf(run) });
    }
}
