using System.Text.Json;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Contracts;

namespace AiBackend.Core.Workflows;

/// <summary>Says which steps of a run can begin. Pure: from the same states it says the same, so that a run goes on whoever died.</summary>
/// <remarks>A step begins once: what has a state is never begun again. It begins when all that it depends on have ended.</remarks>
public sealed class WorkflowPlan
{
    private static readonly HashSet<string> NoSteps = [];

    private readonly IReadOnlyList<WorkflowStep> _steps;
    private readonly Dictionary<string, IReadOnlySet<string>> _needs;
    private readonly Dictionary<(string Name, int? Item), StepState> _states;
    private readonly Dictionary<string, JsonElement> _outputs;
    private readonly WorkflowValues _values;
    private readonly DateTimeOffset _now;
    private readonly Func<Guid> _newJob;
    private readonly OutputContracts _contracts;
    private readonly List<StepState> _begun = [];
    private readonly List<StepState> _ended = [];
    private readonly HashSet<string> _wanted = new(StringComparer.Ordinal);
    private readonly Dictionary<string, InlineStep> _inline = new(StringComparer.Ordinal);
    private long _size;

    private WorkflowPlan(
        WorkflowDefinition definition,
        JsonElement? input,
        IEnumerable<StepState> states,
        IReadOnlyDictionary<string, JsonElement> outputs,
        DateTimeOffset now,
        Func<Guid> newJob,
        OutputContracts contracts
    )
    {
        _steps = definition.Steps!;
        _needs = _steps.ToDictionary(step => step.Name!, StepReferences.Of, StringComparer.Ordinal);
        _states = states.ToDictionary(state => (state.Name, state.Item));
        _size = _states.Values.Sum(state => (long)state.Size);
        _outputs = new Dictionary<string, JsonElement>(outputs, StringComparer.Ordinal);
        foreach (var state in _states.Values.Where(state => state is { Item: null, Output: not null }))
        {
            _outputs[state.Name] = state.Output!.Value;
        }

        (_values, _now, _newJob, _contracts) = (new WorkflowValues(input, _outputs), now, newJob, contracts);
    }

    /// <param name="definition">What the workflow does.</param>
    /// <param name="input">The run's input.</param>
    /// <param name="states">What has begun so far.</param>
    /// <param name="outputs">Values of steps, as far as they are in hand.</param>
    /// <param name="now">The time.</param>
    /// <param name="newJob">Makes an id.</param>
    /// <param name="contracts">Looks at what steps give that no job does.</param>
    public static NextSteps Next(
        WorkflowDefinition definition,
        JsonElement? input,
        IEnumerable<StepState> states,
        IReadOnlyDictionary<string, JsonElement> outputs,
        DateTimeOffset now,
        Func<Guid> newJob,
        OutputContracts contracts
    ) => new WorkflowPlan(definition, input, states, outputs, now, newJob, contracts).Run();

    private NextSteps Run()
    {
        var moved = true;
        while (moved && Failure() is null)
        {
            moved = false;
            // Nothing is begun any more when a step has made the run fail, not even in the same look.
            foreach (var step in _steps.TakeWhile(_ => Failure() is null))
            {
                moved |= Advance(step);
            }
        }

        var failure = Failure();
        var isOver = failure is not null || _steps.All(step => Of(step) is { Status: not StepStatus.Running });
        return new NextSteps(_begun, _ended, [.. _states.Values], isOver)
        {
            Failure = failure,
            Wanted = isOver ? NoSteps : _wanted,
            Inline = isOver ? [] : _inline.Values,
        };
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

        if (needs.Count > 0 && needs.TrueForAll(need => need!.Status == StepStatus.Skipped))
        {
            Begin(new StepState(step.Name!, null, StepStatus.Skipped) { Type = step.Type });
            return true;
        }

        if (!HasInHand(step))
        {
            return false;
        }

        var holds = Holds(step.When);
        if (holds && step.Inline is true && StepInput.Of(step, _values, out _) is { } input)
        {
            _inline[step.Name!] = new(step, input);
            return false;
        }

        Begin(holds ? Begin(step) : new StepState(step.Name!, null, StepStatus.Skipped) { Type = step.Type });
        return true;
    }

    /// <summary>Whether the values that a step takes are in hand; those that are not are wanted.</summary>
    private bool HasInHand(WorkflowStep step)
    {
        var missing = StepReferences
            .Taken(step)
            .Where(name => _states.GetValueOrDefault((name, null)) is { HasOutput: true } && !_outputs.ContainsKey(name))
            .ToList();
        _wanted.UnionWith(missing);
        return missing.Count == 0;
    }

    private StepState Begin(WorkflowStep step)
    {
        var state = new StepState(step.Name!, null, StepStatus.Running) { Type = step.Type };
        return step.Type switch
        {
            StepTypes.Transform => Transform(state, step),
            StepTypes.Timer => state with { DueAt = _now.AddSeconds(step.Seconds!.Value) },
            StepTypes.Event => state with { DueAt = _now.AddSeconds(step.Seconds ?? WorkflowBounds.UsualEventSeconds) },
            StepTypes.Map => ListOf(step)?.GetArrayLength() <= WorkflowBounds.MaxItems
                ? state
                : state.Failed(FormattableString.Invariant($"{step.Over} is no list of at most {WorkflowBounds.MaxItems} items.")),
            _ => Ask(state, step, _values),
        };
    }

    private StepState Transform(StepState state, WorkflowStep step)
    {
        if (WorkflowTemplates.Json(step.Value!.Value, _values, out var fault) is not { } value)
        {
            return state.Failed(fault!);
        }

        var given = state.Gave(value);
        return _size + given.Size > StepValues.MaxBytesOfRun ? state.Failed(StepValues.TooMuch(_size + given.Size))
            : Broken(step, value, out var check) ? state.Broke(check!)
            : given with { Check = check };
    }

    /// <summary>Whether a value is not what its step has to give.</summary>
    private bool Broken(WorkflowStep step, JsonElement value, out ContractCheck? check)
    {
        check = step.Contract is { } contract ? _contracts.Check(contract, value) : null;
        return check is { Verdict: not Verdicts.Valid };
    }

    /// <summary>A job asks, if there is anything to ask.</summary>
    private StepState Ask(StepState state, WorkflowStep step, WorkflowValues values) =>
        StepInput.Of(step, values, out var fault) is null ? state.Failed(fault!) : state with { JobId = _newJob() };

    /// <summary>Begins items while there is room, and ends the map when all have ended.</summary>
    private bool AdvanceMap(WorkflowStep step)
    {
        if (!HasInHand(step))
        {
            return false;
        }

        var list = ListOf(step)!.Value;
        var items = Enumerable.Range(0, list.GetArrayLength()).Select(item => _states.GetValueOrDefault((step.Name!, item))).ToList();
        var failed = items.Find(item => item is { Status: StepStatus.Failed });
        if (failed is not null && !Skips(step))
        {
            Replace(Of(step)!.Failed(FormattableString.Invariant($"Item {failed.Item} failed: {failed.Error}")));
            return true;
        }

        if (items.TrueForAll(item => item is { Status: not StepStatus.Running }))
        {
            return End(step, items!);
        }

        var room = (step.Concurrency ?? WorkflowBounds.UsualConcurrency) - items.Count(item => item is { Status: StepStatus.Running });
        var next = Enumerable.Range(0, items.Count).Where(item => items[item] is null).Take(Math.Max(room, 0)).ToList();
        foreach (var item in next)
        {
            var state = new StepState(step.Name!, item, StepStatus.Running) { Type = step.Step?.Type };
            Begin(
                step.Step is { } inner ? Ask(state, inner, _values with { Item = (list[item], item) }) : state with { JobId = _newJob() }
            );
        }

        return next.Count > 0;
    }

    /// <summary>The list of what the items gave is theirs: it is put together when somebody takes it, or its contract has to be held against it.</summary>
    private bool End(WorkflowStep step, List<StepState> items)
    {
        if (step.Contract is not null && !_outputs.ContainsKey(step.Name!))
        {
            _wanted.Add(step.Name!);
            return false;
        }

        var check = default(ContractCheck);
        if (step.Contract is not null && Broken(step, _outputs[step.Name!], out check))
        {
            Replace(Of(step)!.Broke(check!));
            return true;
        }

        Replace(Of(step)! with { Status = StepStatus.Succeeded, HasOutput = true, Error = StepState.MissingOf(items), Check = check });
        return true;
    }

    private JsonElement? ListOf(WorkflowStep step) =>
        WorkflowTemplates.Value(step.Over!, _values) is { ValueKind: JsonValueKind.Array } list ? list : null;

    private bool Holds(StepCondition? condition)
    {
        if (condition is null)
        {
            return true;
        }

        var value = WorkflowTemplates.Value(condition.Value!, _values);
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

    private void Begin(StepState state)
    {
        _states.Add((state.Name, state.Item), state);
        _begun.Add(state);
        Take(state);
    }

    private void Replace(StepState state)
    {
        _states[(state.Name, state.Item)] = state;
        _ended.Add(state);
    }

    private void Take(StepState state)
    {
        _size += state.Size;
        if (state is { Item: null, Output: { } value })
        {
            _outputs[state.Name] = value;
        }
    }
}
