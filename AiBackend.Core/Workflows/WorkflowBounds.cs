using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Contracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools.Code;

namespace AiBackend.Core.Workflows;

/// <summary>Says at the door what is wrong with a workflow.</summary>
public sealed partial class WorkflowBounds(OutputContracts contracts, CodeTools code)
{
    /// <summary>Steps of a workflow.</summary>
    public const int MaxSteps = 100;

    /// <summary>Items of a map.</summary>
    public const int MaxItems = 1000;

    /// <summary>Items of a map that are under way at once, where nobody says.</summary>
    public const int UsualConcurrency = 5;

    /// <summary>How long an event is waited for, where nobody says: 7 days.</summary>
    public const double UsualEventSeconds = 7 * 86400;

    /// <summary>Characters of a definition.</summary>
    public const int MaxLength = 256 * 1024;

    private const int MaxDescription = 500;
    private const long MostTokens = 1_000_000_000;

    private readonly StepBounds _steps = new(contracts, code);

    /// <param name="definition">What a caller sent.</param>
    /// <param name="report">Takes the place of each fault, and what is wrong there.</param>
    public void Check(WorkflowDefinition definition, Action<string, string> report)
    {
        var isWhole = true;
        CheckParts(
            definition,
            (place, fault) =>
            {
                isWhole = false;
                report(place, fault);
            }
        );
        // Only what is a schema can be asked what it has.
        if (isWhole)
        {
            StepPaths.Check(definition, report);
        }
    }

    private void CheckParts(WorkflowDefinition definition, Action<string, string> report)
    {
        if (definition.Input is { ValueKind: not JsonValueKind.Null } schema)
        {
            contracts.Refuse(
                new OutputContract { Schema = schema },
                (place, fault) => report(place.Replace("schema", "input", StringComparison.Ordinal), fault)
            );
        }

        if (definition.Description?.Length > MaxDescription)
        {
            report(
                "description",
                FormattableString.Invariant($"has {definition.Description.Length} characters; at most {MaxDescription} are allowed.")
            );
        }

        CheckLimits(definition.Limits, report);
        if (definition.Steps is not { Count: > 0 and <= MaxSteps } steps)
        {
            report("steps", FormattableString.Invariant($"has {definition.Steps?.Count ?? 0} steps; send 1 to {MaxSteps}."));
            return;
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < steps.Count; i++)
        {
            var place = FormattableString.Invariant($"steps[{i}]");
            if (steps[i] is null)
            {
                report(place, "must be a step, which is an object.");
                return;
            }

            if (steps[i].Name is not { } name || !StepName().IsMatch(name))
            {
                report(place + ".name", "must have 1 to 64 lower case letters, digits and underscores, and begin with a letter.");
            }
            else if (!names.Add(name))
            {
                report(place + ".name", $"is {name}, which another step has, too.");
            }

            _steps.Check(steps[i], (member, fault) => report($"{place}.{member}", fault));
        }

        _steps.CheckStrict(definition.Contract, report);
        CheckReferences(definition, steps, names, report);
    }

    /// <summary>Of a workflow, or of one run.</summary>
    public static void CheckLimits(RunLimits? limits, Action<string, string> report)
    {
        if (CostLimit.FaultOf(limits?.MaxCostUsd) is { } fault)
        {
            report("limits.max_cost_usd", fault);
        }

        if (limits?.MaxTokens is < 1 or > MostTokens)
        {
            report("limits.max_tokens", FormattableString.Invariant($"is {limits.MaxTokens}; it must be from 1 to {MostTokens}."));
        }
    }

    private static void CheckReferences(
        WorkflowDefinition definition,
        IReadOnlyList<WorkflowStep> steps,
        HashSet<string> names,
        Action<string, string> report
    )
    {
        var open = new List<WorkflowStep>();
        for (var i = 0; i < steps.Count; i++)
        {
            var unknown = StepReferences.Of(steps[i]).Where(name => !names.Contains(name)).ToList();
            if (unknown.Count > 0)
            {
                report(FormattableString.Invariant($"steps[{i}]"), $"depends on {string.Join(", ", unknown)}, which is no step.");
            }

            if (StepReferences.Paths(steps[i]).FirstOrDefault(path => !IsKnown(path, steps[i].Type == StepTypes.Map)) is { } strange)
            {
                report(
                    FormattableString.Invariant($"steps[{i}]"),
                    $"has the placeholder {strange}; placeholders begin with input or steps, in a map with item or index, too."
                );
            }

            open.Add(steps[i]);
        }

        if (
            definition.Output is { } output
            && WorkflowTemplates
                .Paths(output)
                .Select(StepReferences.StepOf)
                .FirstOrDefault(name => name is not null && !names.Contains(name))
                is { } missing
        )
        {
            report("output", $"takes what {missing} gives, which is no step.");
        }

        // What depends on nothing that is still there goes; what stays goes in a circle.
        while (open.RemoveAll(step => !StepReferences.Of(step).Any(name => open.Exists(other => other.Name == name))) > 0) { }

        if (open.Count > 0)
        {
            report("steps", $"go in a circle: {string.Join(", ", open.Select(step => step.Name))} wait for each other.");
        }
    }

    private static bool IsKnown(string path, bool isMap) =>
        path.Split('.') is [var root, .. var rest]
        && (root is "input" || (root is "steps" && rest.Length > 0) || (isMap && root is "item" or "index"));

    [GeneratedRegex("^[a-z][a-z0-9_]{0,63}$", RegexOptions.None, 1000)]
    private static partial Regex StepName();
}
