using System.Text.Json;
using AiBackend.ApiContracts;
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
}

/// <summary>Says which steps of a run can begin. Pure: from the same states it says the same, so that a run goes on whoever died.</summary>
/// <remarks>A step begins once: what has a state is never begun again. It begins when all that it depends on have ended.</remarks>
public sealed class WorkflowPlan
{
    private readonly IReadOnlyList<WorkflowStep> _steps;
    private readonly Dictionary<string, IReadOnlySet<string>> _needs;
    private readonly Dictionary<(string Name, int? Item), StepState> _states;
    private readonly JsonElement? _input;
    private readonly DateTimeOffset _now;
    private readonly Func<Guid> _newJob;
    private readonly List<StepState> _begun = [];
    private readonly List<StepState> _ended = [];

    private WorkflowPlan(
        WorkflowDefinition definition,
        JsonElement? input,
        IEnumerable<StepState> states,
        DateTimeOffset now,
        Func<Guid> newJob
    )
    {
        _steps = definition.Steps!;
        _needs = _steps.ToDictionary(step => step.Name!, StepReferences.Of, StringComparer.Ordinal);
        _states = states.ToDictionary(state => (state.Name, state.Item));
        (_input, _now, _newJob) = (input, now, newJob);
    }

    /// <param name="definition">What the workflow does.</param>
    /// <param name="input">The run's input.</param>
    /// <param name="states">What has begun so far.</param>
    /// <param name="now">The time.</param>
    /// <param name="newJob">Makes an id.</param>
    public static NextSteps Next(
        WorkflowDefinition definition,
        JsonElement? input,
        IEnumerable<StepState> states,
        DateTimeOffset now,
        Func<Guid> newJob
    ) => new WorkflowPlan(definition, input, states, now, newJob).Run();

    private NextSteps Run()
    {
        var moved = true;
        while (moved && Failure() is null)
        {
            moved = false;
            foreach (var step in _steps)
            {
                moved |= Advance(step);
            }
        }

        var failure = Failure();
        var isOver = failure is not null || _steps.All(step => Of(step) is { Status: not StepStatus.Running });
        return new NextSteps(_begun, _ended, [.. _states.Values], isOver) { Failure = failure };
    }

    private StepState? Failure() =>
        _steps.Where(step => !Skips(step)).Select(Of).FirstOrDefault(state => state is { Status: StepStatus.Failed });

    private static bool Skips(WorkflowStep step) => step.OnFailure == "skip";

    private StepState? Of(WorkflowStep step) => _states.GetValueOrDefault((step.Name!, null));

    private bool Advance(WorkflowStep step)
    {
        if (Of(step) is { } state)
        {
            return state.Status == StepStatus.Running && step.Type == StepTypes.Map && AdvanceMap(step);
        }

        var needs = _needs[step.Name!].Select(name => _states.GetValueOrDefault((name, null))).ToList();
        if (needs.Exists(need => need is null or { Status: StepStatus.Running }))
        {
            return false;
        }

        var isCutOff = needs.Count > 0 && needs.TrueForAll(need => need!.Status == StepStatus.Skipped);
        Begin(isCutOff || !Holds(step.When) ? new StepState(step.Name!, null, StepStatus.Skipped) : Begin(step));
        return true;
    }

    private StepState Begin(WorkflowStep step) =>
        step.Type switch
        {
            StepTypes.Transform => new(step.Name!, null, StepStatus.Succeeded)
            {
                Output = WorkflowTemplates.Json(step.Value!.Value, Values()),
            },
            StepTypes.Timer => new(step.Name!, null, StepStatus.Running) { DueAt = _now.AddSeconds(step.Seconds!.Value) },
            StepTypes.Event => new(step.Name!, null, StepStatus.Running)
            {
                DueAt = _now.AddSeconds(step.Seconds ?? WorkflowBounds.UsualEventSeconds),
            },
            StepTypes.Map => ListOf(step) is { } list && list.GetArrayLength() <= WorkflowBounds.MaxItems
                ? new(step.Name!, null, StepStatus.Running)
                : new(step.Name!, null, StepStatus.Failed)
                {
                    Error =
                        $"{step.Over} is no list of at most {WorkflowBounds.MaxItems.ToString(System.Globalization.CultureInfo.InvariantCulture)} items.",
                },
            _ => new(step.Name!, null, StepStatus.Running) { JobId = _newJob() },
        };

    /// <summary>Begins items while there is room, and ends the map when all have ended.</summary>
    private bool AdvanceMap(WorkflowStep step)
    {
        var count = ListOf(step)!.Value.GetArrayLength();
        var items = Enumerable.Range(0, count).Select(item => _states.GetValueOrDefault((step.Name!, item))).ToList();
        if (items.TrueForAll(item => item is { Status: not StepStatus.Running }))
        {
            End(step, items!);
            return true;
        }

        if (!Skips(step) && items.Exists(item => item is { Status: StepStatus.Failed }))
        {
            Replace(
                new StepState(step.Name!, null, StepStatus.Failed)
                {
                    Error = items.First(item => item is { Status: StepStatus.Failed })!.Error,
                }
            );
            return true;
        }

        var room = (step.Concurrency ?? WorkflowBounds.UsualConcurrency) - items.Count(item => item is { Status: StepStatus.Running });
        var next = Enumerable.Range(0, count).Where(item => items[item] is null).Take(Math.Max(room, 0)).ToList();
        next.ForEach(item => Begin(new StepState(step.Name!, item, StepStatus.Running) { JobId = _newJob() }));
        return next.Count > 0;
    }

    private void End(WorkflowStep step, List<StepState> items)
    {
        var missing = items
            .Where(item => item.Status == StepStatus.Failed)
            .Select(item => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{item.Item}: {item.Error}"))
            .ToList();
        var outputs = items.Select(item => item.Output).ToList();
        Replace(
            new StepState(step.Name!, null, StepStatus.Succeeded)
            {
                Output = JsonSerializer.SerializeToElement(outputs, WireJson.Default.ListNullableJsonElement),
                Error = missing.Count == 0 ? null : string.Join("; ", missing),
            }
        );
    }

    private JsonElement? ListOf(WorkflowStep step) =>
        WorkflowTemplates.Value(step.Over!, Values()) is { ValueKind: JsonValueKind.Array } list ? list : null;

    private bool Holds(StepCondition? condition)
    {
        if (condition is null)
        {
            return true;
        }

        var value = WorkflowTemplates.Value(condition.Value!, Values());
        return condition switch
        {
            { Equal: { } wanted } => Same(value, wanted),
            { NotEqual: { } other } => !Same(value, other),
            { In: { } list } => list.Any(each => Same(value, each)),
            { Above: { } bound } => value is { ValueKind: JsonValueKind.Number } number
                && number.TryGetDecimal(out var size)
                && size > bound,
            _ => false,
        };
    }

    private static bool Same(JsonElement? value, JsonElement wanted) =>
        value is { } given ? JsonElement.DeepEquals(given, wanted) : wanted.ValueKind == JsonValueKind.Null;

    private WorkflowValues Values() => ValuesOf(_input, _states.Values);

    /// <summary>What placeholders stand for when steps stand so.</summary>
    public static WorkflowValues ValuesOf(JsonElement? input, IEnumerable<StepState> states) =>
        new(
            input,
            states
                .Where(state => state is { Item: null, Output: not null })
                .ToDictionary(state => state.Name, state => state.Output!.Value, StringComparer.Ordinal)
        );

    private void Begin(StepState state)
    {
        _states.Add((state.Name, state.Item), state);
        _begun.Add(state);
    }

    private void Replace(StepState state)
    {
        _states[(state.Name, state.Item)] = state;
        _ended.Add(state);
    }
}
