using AiBackend.ApiContracts.Workflows;

namespace AiBackend.Core.Workflows;

/// <summary>Which steps a step depends on: those that it names, and those whose values it takes.</summary>
public static class StepReferences
{
    /// <summary>All of them.</summary>
    public static IReadOnlySet<string> Of(WorkflowStep step) => Taken(step).Concat(step.After ?? []).ToHashSet(StringComparer.Ordinal);

    /// <summary>Steps whose values it takes.</summary>
    public static IEnumerable<string> Taken(WorkflowStep step) => Paths(step).Select(StepOf).OfType<string>();

    /// <summary>Every placeholder of a step.</summary>
    public static IEnumerable<string> Paths(WorkflowStep step) =>
        [
            .. (step.Messages ?? []).SelectMany(message => WorkflowTemplates.Paths(message.Content)),
            .. WorkflowTemplates.Paths(step.Retrieve?.Query),
            .. (step.Attachments ?? []).SelectMany(WorkflowTemplates.Paths),
            .. WorkflowTemplates.Paths(step.Artifact?.Name),
            .. step.Value is { } value ? WorkflowTemplates.Paths(value) : [],
            .. step.Arguments is { } arguments ? WorkflowTemplates.Paths(arguments) : [],
            .. WorkflowTemplates.Paths(step.Question),
            .. WorkflowTemplates.Paths(step.Over),
            .. WorkflowTemplates.Paths(step.When?.Value),
            .. step.Step is { } inner ? Paths(inner) : [],
        ];

    /// <summary>The step that a path names; null when it names none.</summary>
    public static string? StepOf(string path) => path.Split('.') is ["steps", var name, ..] ? name : null;
}
