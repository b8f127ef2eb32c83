using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Contracts;

namespace AiBackend.Core.Workflows;

/// <summary>Says at the door what is wrong with a workflow.</summary>
public sealed partial class WorkflowBounds(OutputContracts contracts)
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
    private const int MaxConcurrency = 50;
    private const double LongestSeconds = 30 * 86400;

    /// <param name="definition">What a caller sent.</param>
    /// <param name="report">Takes the place of each fault, and what is wrong there.</param>
    public void Check(WorkflowDefinition definition, Action<string, string> report)
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

            CheckStep(steps[i], place, (member, fault) => report($"{place}.{member}", fault));
        }

        CheckReferences(definition, steps, names, report);
    }

    private void CheckStep(WorkflowStep step, string place, Action<string, string> report)
    {
        if (!StepTypes.All.Contains(step.Type, StringComparer.Ordinal))
        {
            report("type", $"must be one of {string.Join(", ", StepTypes.All)}.");
            return;
        }

        if (
            step.OnFailure is not (null or "fail" or "skip")
            || (step.OnFailure is not null && step.Type is not (StepTypes.Chat or StepTypes.Map))
        )
        {
            report("on_failure", "must be fail or skip, and is for the types chat and map.");
        }

        foreach (var member in Members(step).Where(member => member.IsGiven && !member.Of.Contains(step.Type, StringComparer.Ordinal)))
        {
            report(member.Name, $"is not for the type {step.Type}; leave it out.");
        }

        CheckCondition(step.When, report);
        switch (step.Type)
        {
            case StepTypes.Chat:
                CheckChat(step, report);
                break;
            case StepTypes.Transform when step.Value is null:
                report("value", "is missing; it says what the step gives.");
                break;
            case StepTypes.Timer when step.Seconds is not (>= 0 and <= LongestSeconds):
                report("seconds", FormattableString.Invariant($"must be from 0 to {LongestSeconds}."));
                break;
            case StepTypes.Event when step.Seconds is not (null or (> 0 and <= LongestSeconds)):
                report("seconds", FormattableString.Invariant($"must be above 0, up to {LongestSeconds}."));
                break;
            case StepTypes.Map:
                CheckMap(step, place, report);
                break;
        }
    }

    private void CheckChat(WorkflowStep step, Action<string, string> report)
    {
        if (step.Messages is not { Count: > 0 })
        {
            report("messages", "is missing; send what the model is asked.");
        }

        if (step.Contract is { } contract)
        {
            contracts.Refuse(contract, (place, fault) => report($"contract.{place}", fault));
        }
    }

    private void CheckMap(WorkflowStep step, string place, Action<string, string> report)
    {
        if (step.Over is null || !WorkflowTemplates.IsOne(step.Over))
        {
            report("over", "must be one placeholder that stands for a list, such as {{input.documents}}.");
        }

        if (step.Concurrency is < 1 or > MaxConcurrency)
        {
            report("concurrency", FormattableString.Invariant($"must be from 1 to {MaxConcurrency}."));
        }

        if (step.Step is not { Type: StepTypes.Chat, Name: null, After: null, When: null, OnFailure: null } inner)
        {
            report("step", "must be a step of the type chat, without name, after, when and on_failure.");
            return;
        }

        CheckStep(inner, place, (member, fault) => report($"step.{member}", fault));
    }

    private static void CheckCondition(StepCondition? condition, Action<string, string> report)
    {
        if (condition is null)
        {
            return;
        }

        var given = new object?[] { condition.Equal, condition.NotEqual, condition.In, condition.Above }.Count(each => each is not null);
        if (condition.Value is null || !WorkflowTemplates.IsOne(condition.Value) || given != 1)
        {
            report("when", "must have a value, which is one placeholder, and one of equal, not_equal, in, above.");
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

    private static IEnumerable<(string Name, bool IsGiven, string[] Of)> Members(WorkflowStep step) =>
        [
            ("messages", step.Messages is not null, [StepTypes.Chat]),
            ("model", step.Model is not null, [StepTypes.Chat]),
            ("contract", step.Contract is not null, [StepTypes.Chat]),
            ("retrieve", step.Retrieve is not null, [StepTypes.Chat]),
            ("priority", step.Priority is not null, [StepTypes.Chat]),
            ("max_attempts", step.MaxAttempts is not null, [StepTypes.Chat]),
            ("max_output_tokens", step.MaxOutputTokens is not null, [StepTypes.Chat]),
            ("temperature", step.Temperature is not null, [StepTypes.Chat]),
            ("value", step.Value is not null, [StepTypes.Transform]),
            ("over", step.Over is not null, [StepTypes.Map]),
            ("concurrency", step.Concurrency is not null, [StepTypes.Map]),
            ("step", step.Step is not null, [StepTypes.Map]),
            ("seconds", step.Seconds is not null, [StepTypes.Timer, StepTypes.Event]),
        ];

    [GeneratedRegex("^[a-z][a-z0-9_]{0,63}$", RegexOptions.None, 1000)]
    private static partial Regex StepName();
}
