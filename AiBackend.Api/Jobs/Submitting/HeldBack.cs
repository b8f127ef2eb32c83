using AiBackend.Api.Problems;
using AiBackend.Core.Controls;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>What operators hold back, at the door: what drains takes nothing new, and what is paused is not offered to workers.</summary>
internal sealed class HeldBack(ControlReads controls, ProviderCatalog catalog)
{
    // Whoever drains something decides when that is over; a minute is soon enough to ask again.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(60);

    /// <returns>Why the job is refused now; null when it is not, and then perhaps the draft with a mark.</returns>
    public async ValueTask<(Refusal? Refusal, JobDraft Draft)> CheckAsync(JobDraft draft)
    {
        var known = await controls.LatestAsync();
        if (known.Count == 0)
        {
            return (null, draft);
        }

        var refusal = known.FirstOrDefault(control => control.Mode == ControlMode.Draining && IsAbout(control, draft)) is { } draining
            ? Explain(draining.Target, draining.Reason)
            : DrainingRoute(draft, known);
        var isPaused = refusal is null && known.Any(control => control.Mode == ControlMode.Paused && IsAbout(control, draft));
        return (refusal, isPaused ? draft with { IsHeld = true } : draft);
    }

    /// <summary>Of a call whose caller waits for it: it cannot wait until what is held is resumed.</summary>
    /// <returns>Why it is refused now, or null.</returns>
    public async ValueTask<Refusal?> RefuseCallAsync(Guid tenantId, string model)
    {
        var holding = (await controls.LatestAsync()).FirstOrDefault(control =>
            control.Target.Kind == ControlKind.Tenant
                ? control.TenantId == tenantId
                : control.Target == new ControlTarget(ControlKind.Model, model)
        );
        return holding is null
            ? null
            : ProblemTypes.Draining.With(
                $"The {holding.Target.Kind.ToWire()} {Quoted.Of(holding.Target.Name)} is held back{(holding.Reason is { } reason ? $" ({reason})" : "")} until an operator resumes it. Send the request again later."
            ) with
            {
                RetryAfter = Pause,
            };
    }

    private static bool IsAbout(Control control, JobDraft draft) =>
        control.Target.Kind switch
        {
            ControlKind.Queue => control.Target.Name == draft.Pool,
            ControlKind.Tenant => control.TenantId == draft.TenantId,
            ControlKind.Model => control.Target.Name == draft.Model,
            _ => false,
        };

    /// <summary>A provider that drains refuses nothing as long as another one may answer, now or when it is resumed.</summary>
    private Refusal? DrainingRoute(JobDraft draft, IReadOnlyList<Control> known)
    {
        if (draft.Type != JobType.Chat || !known.Any(IsDrainingProvider))
        {
            return null;
        }

        var route = catalog.Route(draft.Model);
        var draining = route
            .Select(deployment => known.FirstOrDefault(each => IsDrainingProvider(each) && each.Target.Name == deployment.Provider))
            .ToList();
        return draining is [{ } first, ..] && !draining.Contains(null) ? Explain(first.Target, first.Reason) : null;
    }

    private static bool IsDrainingProvider(Control control) => control is { Mode: ControlMode.Draining, Target.Kind: ControlKind.Provider };

    private static Refusal Explain(ControlTarget target, string? reason) =>
        ProblemTypes.Draining.With(
            $"The {target.Kind.ToWire()} {Quoted.Of(target.Name)} is being drained{(reason is null ? "" : $" ({reason})")}: it takes no new jobs until an operator resumes it. What was accepted before is still done."
        ) with
        {
            RetryAfter = Pause,
        };
}
