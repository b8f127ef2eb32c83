using AiBackend.ApiContracts.Workflows;

namespace AiBackend.Core.Workflows;

/// <summary>What is to be done next for a run.</summary>
/// <param name="Begun">Steps and items that begin now; those without a job, a time or a wait have ended at once.</param>
/// <param name="Ended">Maps whose last item has ended.</param>
/// <param name="All">Every step and item as it stands after that.</param>
/// <param name="IsOver">Nothing is left to wait for.</param>
public sealed record NextSteps(IReadOnlyList<StepState> Begun, IReadOnlyList<StepState> Ended, IReadOnlyList<StepState> All, bool IsOver)
{
    /// <summary>The step that makes the run fail; null when none does.</summary>
    public StepState? Failure { get; init; }

    /// <summary>Steps whose values must be in hand before more can begin: read them, and ask again.</summary>
    public required IReadOnlySet<string> Wanted { get; init; }

    /// <summary>Steps that begin when the look itself has called their tools: call them, and ask again.</summary>
    public IReadOnlyCollection<InlineStep> Inline { get; init; } = [];
}

/// <summary>A step whose tool is called in the look of its run.</summary>
/// <param name="Step">The step.</param>
/// <param name="Input">What its tool is given.</param>
public sealed record InlineStep(WorkflowStep Step, StepInput Input);
