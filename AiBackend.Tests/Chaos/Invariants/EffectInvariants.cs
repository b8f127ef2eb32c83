using System.Globalization;
using AiBackend.Core.Tools;

namespace AiBackend.Tests.Chaos.Invariants;

/// <summary>What must hold of what jobs do outside, and of the steps of runs.</summary>
internal static class EffectInvariants
{
    // One that can be repeated is, twice, in an attempt that does not hear what came of it.
    private const int SendsOfAttempt = 3;

    /// <summary>I-5: what arrived was written down before, and what must not be repeated arrived once; the receiver's own log says so.</summary>
    public static Finding EffectsHappenOnce(Evidence evidence)
    {
        var ledger = evidence.Ledger.ToLookup(call => call.EffectId);
        var sends = Finding.Of(
            "I-5",
            "an effect is sent once, or is one that may be repeated",
            evidence.Sends.GroupBy(send => send.Key),
            same =>
                ledger[same.Key].FirstOrDefault() is not { } call ? $"{same.Key} arrived and is in no ledger"
                : same.Any(send => send.Job != call.Job) ? $"{same.Key} arrived for several jobs"
                : call.Effect == ToolEffect.Write && same.Count() > 1
                    ? string.Create(CultureInfo.InvariantCulture, $"{same.Key} must not be repeated and arrived {same.Count()} times")
                : same.Count() > call.Attempts * SendsOfAttempt
                    ? string.Create(CultureInfo.InvariantCulture, $"{same.Key} arrived {same.Count()} times in {call.Attempts} attempts")
                : null
        );
        // Under another name it would be another effect.
        var twins = evidence
            .Ledger.Where(call => call.Effect == ToolEffect.Write)
            .GroupBy(call => call.Job)
            .Where(same => same.Count() > 1)
            .Select(same =>
                $"the step's job {same.Key} has made its call anew, as {string.Join(" and ", same.Select(call => call.EffectId))}"
            );
        return sends with { Violations = [.. sends.Violations, .. twins] };
    }

    /// <summary>I-19: a step begins when what it takes is committed, and what has completed never runs again.</summary>
    public static Finding StepsAreDoneOnce(Evidence evidence)
    {
        var steps = evidence.Steps.ToDictionary(step => (step.Run, step.Name));
        var twice = evidence.Steps.Where(step => step.Job is not null).GroupBy(step => step.Job).Where(same => same.Count() > 1);
        var each = Finding.Of(
            "I-19",
            "a step begins after what it takes, and is done once",
            evidence.Steps,
            step =>
                step.Needs.FirstOrDefault(need =>
                    !steps.TryGetValue((step.Run, need), out var before) || !(before.EndedAt <= step.StartedAt)
                )
                    is { } early
                    ? $"{step.Name} of {step.Run} began before {early} had ended"
                : step is { Job: { } job, EndedAt: { } ended }
                && evidence.ById.TryGetValue(job, out var facts)
                && facts.Attempts.Any(attempt => attempt.StartedAt > ended)
                    ? $"{step.Name} of {step.Run} ran again after it was done"
                : null
        );
        return each with { Violations = [.. each.Violations, .. twice.Select(same => $"{same.Key} does several steps")] };
    }
}
