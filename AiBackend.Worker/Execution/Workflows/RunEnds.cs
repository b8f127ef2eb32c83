using System.Text.Json;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Contracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Texts;
using AiBackend.Core.Workflows;

namespace AiBackend.Worker.Execution.Workflows;

/// <summary>How a run ends whose steps are over.</summary>
internal static class RunEnds
{
    private const int MostCharactersOfError = 2000;
    private static readonly JsonElement Null = StepValues.Read("null");

    /// <summary>The steps of whose values the run's output is made: those that the workflow says, or the last one that gave anything.</summary>
    public static IEnumerable<string> Taken(RunInput run, NextSteps plan) =>
        plan.Failure is not null ? []
        : run.Definition.Output is { } template
            ? WorkflowTemplates.Paths(template).Select(StepReferences.StepOf).OfType<string>().Distinct(StringComparer.Ordinal)
        : LastOf(run, plan) is { } last ? [last]
        : [];

    /// <param name="run">The run.</param>
    /// <param name="plan">How its steps stand.</param>
    /// <param name="values">What those of <see cref="Taken"/> gave.</param>
    /// <param name="contracts">Looks at the output.</param>
    public static AttemptEnd Of(RunInput run, NextSteps plan, IReadOnlyDictionary<string, JsonElement> values, OutputContracts contracts)
    {
        if (plan.Failure is { } failure)
        {
            return Failed($"Step {failure.Name} failed: {failure.Error} Mend it and run the workflow again.");
        }

        string? fault = null;
        var output = run.Definition.Output is { } template
            ? WorkflowTemplates.Json(template, new WorkflowValues(run.Input, values), out fault)
            : Taken(run, plan).Select(name => (JsonElement?)values[name]).SingleOrDefault();
        if (fault is not null)
        {
            return Failed($"The workflow's output cannot be made. {fault}");
        }

        var check = run.Definition.Contract is { } contract ? contracts.Check(contract, output ?? Null) : null;
        if (check is { Verdict: not Verdicts.Valid })
        {
            return Failed(
                $"The workflow's output breaks its contract ({check.Verdict}): {Violations.Told(check)} Mend the workflow, or run it again with another input.",
                "contract_violation",
                check
            );
        }

        var text = output is { ValueKind: JsonValueKind.String } plain ? plain.GetString()! : output?.GetRawText() ?? "null";
        var missing = plan
            .All.Where(state => state is { Item: null, Error: not null })
            .Select(state => $"{state.Name}: {state.Error}")
            .ToList();
        return (missing.Count == 0 ? AttemptEnd.Succeeded(text) : AttemptEnd.Partial(text, missing)) with { Checks = ChecksOf(check) };
    }

    private static AttemptEnd Failed(string message, string? contractCode = null, ContractCheck? check = null) =>
        AttemptEnd.FailedForGood(
            new(
                contractCode ?? "step_failed",
                contractCode ?? "transient",
                StorableText.Of(message, MostCharactersOfError),
                Retryable: true
            )
        ) with
        {
            Checks = ChecksOf(check),
        };

    private static IReadOnlyList<ContractCheck> ChecksOf(ContractCheck? check) => check is null ? [] : [check];

    private static string? LastOf(RunInput run, NextSteps plan)
    {
        var given = plan
            .All.Where(state => state is { Item: null, HasOutput: true })
            .Select(state => state.Name)
            .ToHashSet(StringComparer.Ordinal);
        return run.Definition.Steps!.Select(step => step.Name!).LastOrDefault(given.Contains);
    }
}
