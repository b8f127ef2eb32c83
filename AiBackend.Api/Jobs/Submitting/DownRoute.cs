using AiBackend.Api.Problems;
using AiBackend.Core.Jobs;
using AiBackend.Core.Operations;
using AiBackend.Core.Providers;
using static System.FormattableString;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Refuses at once what could not even begin before its deadline, because nobody asks any deployment of its route until then.</summary>
/// <remarks>Workers make the calls, so they know; what cannot be read in time refuses nothing. A job without a deadline waits instead.</remarks>
internal sealed class DownRoute(ProviderCatalog catalog, DownDeployments down, TimeProvider clock)
{
    /// <returns>Why the job is refused now; null when it may come in time.</returns>
    public async ValueTask<Refusal?> RefuseAsync(JobDraft draft)
    {
        if (draft.Deadline is not { } deadline || draft.Type != JobType.Chat || await down.LatestAsync() is not { Count: > 0 } known)
        {
            return null;
        }

        DownDeployment? first = null;
        foreach (var deployment in catalog.Route(draft.Model))
        {
            var state = known.FirstOrDefault(each => each.Provider == deployment.Provider && each.Model == deployment.Model);
            if (state is not { ToAll: true, IsProbed: false })
            {
                return null;
            }

            first = first is null || state.Left < first.Left ? state : first;
        }

        return first is null || clock.GetUtcNow() + first.Left < deadline ? null : Explain(first, deadline);
    }

    private static Refusal Explain(DownDeployment first, DateTimeOffset deadline) =>
        ProblemTypes.ProviderDown.With(
            Invariant(
                $"Provider '{first.Provider}' is down for the model {Quoted.Of(first.Model)}, like every other one of the route, and is asked again in {first.Left.TotalSeconds:0.#} s, after the deadline {deadline:O}. Send the job later, or with a later deadline, or without one: then it waits."
            )
        ) with
        {
            RetryAfter = first.Left,
        };
}
