using System.Globalization;
using System.Text.Json;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Contracts.Schemas;

namespace AiBackend.Core.Workflows;

/// <summary>Holds what steps take against what others declare that they give. Where nobody declares anything, anything may be taken.</summary>
internal sealed class StepPaths
{
    private readonly Dictionary<string, WorkflowStep> _steps;
    private readonly JsonElement? _input;
    private readonly PathEffort _effort = new();

    private StepPaths(WorkflowDefinition definition)
    {
        _input = SchemaOf(definition.Input);
        _steps = definition.Steps!.ToDictionary(step => step.Name!, StringComparer.Ordinal);
    }

    /// <param name="definition">In which nothing else is wrong.</param>
    /// <param name="report">Takes the place of each fault, and what is wrong there.</param>
    public static void Check(WorkflowDefinition definition, Action<string, string> report)
    {
        var paths = new StepPaths(definition);
        for (var i = 0; i < definition.Steps!.Count; i++)
        {
            var (step, place) = (definition.Steps[i], FormattableString.Invariant($"steps[{i}]"));
            var all = StepReferences.Paths(step).Distinct(StringComparer.Ordinal).ToList();
            if (all.TrueForAll(path => paths.Check(path, path, "", step, fault => report(place, fault))) && ListOf(step) is { } list)
            {
                paths.Check(list, $"{list}.{SchemaPaths.AnyItem}", " as a list", step, fault => report($"{place}.over", fault));
            }
        }

        foreach (var path in definition.Output is { } output ? WorkflowTemplates.Paths(output).Distinct(StringComparer.Ordinal) : [])
        {
            paths.Check(path, path, "", null, fault => report("output", fault));
        }
    }

    private static string? ListOf(WorkflowStep? step) => WorkflowTemplates.Paths(step?.Over).FirstOrDefault();

    private bool Check(string shown, string path, string how, WorkflowStep? step, Action<string> report)
    {
        // An item is one of the list that the map goes over.
        string[] parts =
            path.Split('.') is ["item", .. var inside] && ListOf(step) is { } list
                ? [.. list.Split('.'), SchemaPaths.AnyItem, .. inside]
                : path.Split('.');
        (int Root, string Name, (JsonElement? Schema, int Skip)[] Schemas) giver = parts switch
        {
            ["input", ..] => (1, "the workflow's input", [(_input, 0)]),
            ["steps", var name, ..] when _steps.TryGetValue(name, out var other) => (2, $"the step {name}", Schemas(other)),
            _ => (0, "", []),
        };
        foreach (var (schema, skip) in giver.Schemas)
        {
            if (schema is { } declared && FindFault(declared, [.. parts.Skip(giver.Root)], skip) is (var there, var offers))
            {
                var place = string.Join('.', parts.Take(giver.Root + there));
                report($"takes {{{{{shown}}}}}{how}, which {giver.Name} cannot have: by its schema {place} {offers}.");
                return false;
            }
        }

        return true;
    }

    /// <summary>What a step declares, each with the parts of a path that lead to it: of a map its items' contract says something, too.</summary>
    private static (JsonElement? Schema, int Skip)[] Schemas(WorkflowStep giver) =>
        [(SchemaOf(giver.Contract?.Schema), 0), (SchemaOf(giver.Step?.Contract?.Schema), 1)];

    private (int Parts, string Offers)? FindFault(JsonElement schema, IReadOnlyList<string> path, int skip)
    {
        if (skip == 0 || path.Count == 0)
        {
            return SchemaPaths.FindFault(schema, path, _effort);
        }

        var isItem = path[0] == SchemaPaths.AnyItem || int.TryParse(path[0], NumberStyles.None, CultureInfo.InvariantCulture, out _);
        return !isItem ? (0, "is a list, of which a number names an item")
            : SchemaPaths.FindFault(schema, [.. path.Skip(skip)], _effort) is (var parts, var offers) ? (skip + parts, offers)
            : null;
    }

    private static JsonElement? SchemaOf(JsonElement? schema) =>
        schema is { ValueKind: JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False } declared ? declared : null;
}
