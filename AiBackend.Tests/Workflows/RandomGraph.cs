using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Workflows;

namespace AiBackend.Tests.Workflows;

/// <summary>Workflows of tools, transforms and maps that take what others gave, in any order.</summary>
internal static class RandomGraph
{
    public static WorkflowDefinition Of(Random random)
    {
        var steps = new List<WorkflowStep>();
        for (var i = random.Next(1, 10); i > 0; i--)
        {
            var before = steps.Where(_ => random.Next(3) == 0).ToList();
            var takes = before.Select(step => $"steps.{step.Name}{(step.Type == StepTypes.Map ? ".0" : "")}.n").Append("input.n").Take(3);
            var arguments = JsonElement.Parse($"{{{string.Join(',', takes.Select((path, at) => $"\"a{at}\":\"{{{{{path}}}}}\""))}}}");
            var (type, onFailure) = (random.Next(4), random.Next(2) == 0 ? "skip" : null);
            var step = new WorkflowStep
            {
                Name = $"s{steps.Count}",
                When =
                    before.Count > 0 && random.Next(4) == 0
                        ? new StepCondition { Value = $$$"""{{steps.{{{before[0].Name}}}.n}}""", Above = 300 }
                        : null,
                After = before.Select(each => each.Name!).Where(_ => random.Next(2) == 0).ToList(),
            };
            steps.Add(
                type switch
                {
                    0 => step with { Type = StepTypes.Transform, Value = arguments },
                    1 => step with
                    {
                        Type = StepTypes.Map,
                        // Not every step gives a list: then the map fails.
                        Over = before.Count > 0 && random.Next(2) == 0 ? $$$"""{{steps.{{{before[0].Name}}}.list}}""" : "{{input.list}}",
                        Concurrency = random.Next(1, 4),
                        OnFailure = onFailure,
                        Step = new WorkflowStep
                        {
                            Type = StepTypes.Tool,
                            Tool = "t",
                            Arguments = JsonElement.Parse("""{"item":"{{item}}","index":"{{index}}","n":"{{input.n}}"}"""),
                        },
                    },
                    _ => step with { Type = StepTypes.Tool, Tool = "t", Arguments = arguments, OnFailure = onFailure },
                }
            );
        }

        return new WorkflowDefinition { Steps = [.. steps.OrderBy(_ => random.Next())] };
    }
}

/// <summary>How a step ends, and what it gives.</summary>
/// <param name="Status">How.</param>
/// <param name="Value">What; null is nothing.</param>
/// <param name="FailsTheRun">Whether nothing else is begun.</param>
internal sealed record GraphValue(StepStatus Status, JsonNode? Value = null, bool FailsTheRun = false);

/// <summary>What the steps of a graph give: each evaluated when it is asked for, in one thread, without runs, looks and jobs.</summary>
internal sealed class GraphValues(
    WorkflowDefinition definition,
    JsonNode input,
    Func<string, int?, int> fails,
    IReadOnlyDictionary<string, JsonNode?> kept
)
{
    private const int MaxAttempts = 3;

    private readonly Dictionary<string, GraphValue?> _values = new(StringComparer.Ordinal);

    /// <summary>Of each step that is done; those that depend on what fails the run are not.</summary>
    public Dictionary<string, GraphValue> All() =>
        definition
            .Steps!.Select(step => (step.Name, Value: Of(step.Name!)))
            .Where(step => step.Value is not null)
            .ToDictionary(step => step.Name!, step => step.Value!, StringComparer.Ordinal);

    private GraphValue? Of(string name) =>
        _values.TryGetValue(name, out var value)
            ? value
            : _values[name] = kept.TryGetValue(name, out var given)
                ? new GraphValue(StepStatus.Succeeded, given)
                : Evaluate(definition.Steps!.Single(step => step.Name == name));

    private GraphValue? Evaluate(WorkflowStep step)
    {
        var needs = NamesIn(step).Concat(step.After ?? []).Distinct(StringComparer.Ordinal).Select(Of).ToList();
        if (needs.Exists(need => need is null or { FailsTheRun: true }))
        {
            return null;
        }

        if (needs.Count > 0 && needs.TrueForAll(need => need!.Status == StepStatus.Skipped))
        {
            return new(StepStatus.Skipped);
        }

        if (step.When is { } when && !(At(PathOf(when.Value!))?.GetValue<int>() > when.Above))
        {
            return new(StepStatus.Skipped);
        }

        return step.Type switch
        {
            StepTypes.Transform => new(StepStatus.Succeeded, Filled(step.Value!.Value, null)),
            StepTypes.Tool => Call(step, step, null),
            _ => Map(step),
        };
    }

    private GraphValue Map(WorkflowStep step)
    {
        if (At(PathOf(step.Over!)) is not JsonArray list)
        {
            return Failed(step);
        }

        var items = list.Select((item, index) => Call(step, step.Step!, (item, index))).ToList();
        return items.Exists(item => item.Status == StepStatus.Failed) && step.OnFailure is null
            ? Failed(step)
            : new(StepStatus.Succeeded, new JsonArray([.. items.Select(item => item.Value?.DeepClone())]));
    }

    private GraphValue Call(WorkflowStep step, WorkflowStep asks, (JsonNode? Item, int Index)? item) =>
        fails(step.Name!, item?.Index) >= MaxAttempts
            ? Failed(step)
            : new(StepStatus.Succeeded, WorkflowGraphTests.Answer(Filled(asks.Arguments!.Value, item).ToJsonString()));

    private static GraphValue Failed(WorkflowStep step) => new(StepStatus.Failed, FailsTheRun: step.OnFailure is null);

    /// <summary>An object whose members are placeholders, with their values.</summary>
    private JsonObject Filled(JsonElement template, (JsonNode? Item, int Index)? item) =>
        new(
            template
                .EnumerateObject()
                .Select(member =>
                    KeyValuePair.Create(
                        member.Name,
                        PathOf(member.Value.GetString()!) switch
                        {
                            "item" => item!.Value.Item?.DeepClone(),
                            "index" => JsonValue.Create(item!.Value.Index),
                            var path => At(path)?.DeepClone(),
                        }
                    )
                )
        );

    private JsonNode? At(string path)
    {
        var parts = path.Split('.');
        var (at, rest) = parts[0] == "input" ? (input, parts[1..]) : (Of(parts[1])?.Value, parts[2..]);
        foreach (var part in rest)
        {
            at = at switch
            {
                JsonObject members => members[part],
                JsonArray list when int.TryParse(part, CultureInfo.InvariantCulture, out var index) && index < list.Count => list[index],
                _ => null,
            };
        }

        return at;
    }

    private static string PathOf(string placeholder) => placeholder.Trim('{', '}');

    private static IEnumerable<string> NamesIn(WorkflowStep step) =>
        new[] { step.When?.Value, step.Over }
            .OfType<string>()
            .Concat((step.Value ?? step.Arguments)?.EnumerateObject().Select(member => member.Value.GetString()!) ?? [])
            .Select(PathOf)
            .Where(path => path.StartsWith("steps.", StringComparison.Ordinal))
            .Select(path => path.Split('.')[1]);
}
