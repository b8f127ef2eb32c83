using AiBackend.ApiContracts.Workflows;

namespace AiBackend.Core.Workflows;

/// <summary>Which steps of an earlier run are done again, and which are not.</summary>
public static class Rerun
{
    /// <summary>A step, and all that depend on it.</summary>
    public static IReadOnlySet<string> From(WorkflowDefinition definition, string step)
    {
        var again = new HashSet<string>(StringComparer.Ordinal) { step };
        // A step may stand before one that it depends on.
        for (var before = 0; before < again.Count; )
        {
            before = again.Count;
            again.UnionWith(definition.Steps!.Where(each => StepReferences.Of(each).Overlaps(again)).Select(each => each.Name!).ToList());
        }

        return again;
    }

    /// <summary>Steps that gave what they would give again: they succeeded, and so did all that they were made of.</summary>
    /// <param name="definition">What the workflow does.</param>
    /// <param name="again">Those that are done again in any case.</param>
    /// <param name="given">Those whose values are given instead.</param>
    /// <param name="states">How the earlier run's steps ended.</param>
    public static IReadOnlyList<string> Kept(
        WorkflowDefinition definition,
        IReadOnlySet<string> again,
        IEnumerable<string> given,
        IEnumerable<StepState> states
    )
    {
        var ended = states
            .Where(state => state.Item is null)
            .ToDictionary(state => state.Name, state => state.Status, StringComparer.Ordinal);
        var values = given.ToHashSet(StringComparer.Ordinal);
        var kept = definition
            .Steps!.Where(step => ended.GetValueOrDefault(step.Name!) == StepStatus.Succeeded)
            .Select(step => step.Name!)
            .Where(name => !again.Contains(name) && !values.Contains(name))
            .ToHashSet(StringComparer.Ordinal);
        // Each that goes may take along what was made of it. A step that was skipped gave nothing that could have changed.
        while (kept.RemoveWhere(name => !Needs(name).All(IsThere)) > 0) { }

        return [.. kept.Order(StringComparer.Ordinal)];

        IEnumerable<string> Needs(string name) => StepReferences.Of(definition.Steps!.Single(step => step.Name == name));

        bool IsThere(string name) =>
            kept.Contains(name) || values.Contains(name) || ended.GetValueOrDefault(name) == StepStatus.Skipped && !again.Contains(name);
    }
}
