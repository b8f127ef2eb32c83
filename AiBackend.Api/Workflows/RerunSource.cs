using System.Runtime.InteropServices;
using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Contracts;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;
using AiBackend.Core.Workflows;

namespace AiBackend.Api.Workflows;

/// <summary>Makes the input of a run that goes on from an earlier one.</summary>
internal sealed class RerunSource(ReplayJob jobs, RunStepStore steps, OutputContracts contracts)
{
    /// <param name="tenantId">Whose runs.</param>
    /// <param name="workflow">The workflow that is to be run.</param>
    /// <param name="request">What is asked for; its <c>rerun</c> is there.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The input, or why there can be none now.</returns>
    public async Task<(RunInput? Run, Refusal? Refusal)> FindAsync(
        Guid tenantId,
        string workflow,
        RunWorkflowRequest request,
        CancellationToken cancellationToken
    )
    {
        var asked = request.Rerun!;
        if (Check(request) is { } wrong)
        {
            return (null, wrong);
        }

        var id = asked.Run!.Value;
        var job = await jobs.FindAsync(tenantId, id, cancellationToken);
        var earlier =
            job is { Type: JobType.Workflow } && await jobs.FindInputAsync(tenantId, id, cancellationToken) is { } json
                ? RunInput.Read(json)
                : null;
        if (earlier is null || !string.Equals(earlier.Workflow, workflow, StringComparison.Ordinal))
        {
            var unknown = At("run", $"is {id}; {Quoted.Of(workflow)} has no such run, or it was deleted. GET /api/v1/jobs lists jobs.");
            // Whoever takes the run of another workflow, or another job of the tenant, has mistaken it, and guessed at nothing.
            return (null, unknown with { IsOfUnknownId = job is null });
        }

        if (!job!.Status.IsTerminal())
        {
            return (null, At("run", $"is {id}, which has not ended. Wait until it has, or cancel it."));
        }

        return await TakeOverAsync(tenantId, id, earlier, asked.From!, request.Input, asked.Outputs, "rerun.from", cancellationToken);
    }

    /// <summary>The same for a replay of a run, which is known to have ended.</summary>
    /// <param name="tenantId">Whose run.</param>
    /// <param name="id">The run.</param>
    /// <param name="step">From which on everything is done again.</param>
    /// <param name="input">What the steps call input; null is as it was.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<(RunInput? Run, Refusal? Refusal)> FromStepAsync(
        Guid tenantId,
        Guid id,
        string step,
        JsonElement? input,
        CancellationToken cancellationToken
    ) =>
        await jobs.FindInputAsync(tenantId, id, cancellationToken) is { } json
            ? await TakeOverAsync(tenantId, id, RunInput.Read(json), step, input, null, "from_step", cancellationToken)
            : (null, ProblemTypes.InvalidValue.At("from_step", "from_step is of a run that was deleted."));

    private static Refusal? Check(RunWorkflowRequest request) =>
        request.Rerun!.Run is null ? At("run", "is missing; it is the id of the earlier run.")
        : string.IsNullOrEmpty(request.Rerun.From) ? At("from", "is missing; it names the step from which on everything is done again.")
        : request.Version is not null
            ? ProblemTypes.InvalidValue.At("version", "version cannot be set with rerun: the version of the earlier run is run.")
        : null;

    private async Task<(RunInput? Run, Refusal? Refusal)> TakeOverAsync(
        Guid tenantId,
        Guid id,
        RunInput earlier,
        string from,
        JsonElement? input,
        IReadOnlyDictionary<string, JsonElement>? outputs,
        string place,
        CancellationToken cancellationToken
    )
    {
        var definition = earlier.Definition;
        var names = definition.Steps!.Select(step => step.Name!).ToList();
        if (!names.Contains(from, StringComparer.Ordinal))
        {
            return (null, ProblemTypes.InvalidValue.At(place, $"{place} is {Quoted.Of(from)}; the steps are {string.Join(", ", names)}."));
        }

        var again = Rerun.From(definition, from);
        var given = outputs ?? new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        if (
            given
                .Select(value => FaultOf(value.Key, value.Value, definition, names, again, from))
                .FirstOrDefault(fault => fault is not null) is
            { } wrong
        )
        {
            return (null, wrong);
        }

        var states = await steps.ReadAsync(tenantId, id, cancellationToken);
        var taken = new TakenOver(id, Rerun.Kept(definition, again, given.Keys, states.Select(row => row.State)), given);
        return (earlier with { Input = input ?? earlier.Input, TakenOver = taken }, null);
    }

    private Refusal? FaultOf(
        string name,
        JsonElement value,
        WorkflowDefinition definition,
        List<string> names,
        IReadOnlySet<string> again,
        string from
    )
    {
        var fault =
            !names.Contains(name, StringComparer.Ordinal) ? $"names no step; the steps are {string.Join(", ", names)}."
            : again.Contains(name) ? $"is of a step that is done again, because it is {Quoted.Of(from)} or depends on it."
            : StepValues.FaultOf(JsonMarshal.GetRawUtf8Value(value)) is { } bad ? $"cannot be what a step gives. {bad}"
            : definition.Steps!.First(step => step.Name == name).Contract is { } contract
            && contracts.Check(contract with { Rules = GivenRules(contract) }, value) is { Verdict: not Verdicts.Valid } check
                ? $"breaks the step's contract: {Violations.Told(check)}"
            : null;
        return fault is null ? null : At($"outputs.{name}", fault);
    }

    /// <summary>What it may have quoted is not there any more: whoever gives the value answers for it.</summary>
    private static List<ContractRule>? GivenRules(OutputContract contract) =>
        contract.Rules?.Where(rule => rule.Rule is not (ContractRules.Cited or ContractRules.Judge)).ToList();

    private static Refusal At(string field, string fault) => ProblemTypes.InvalidValue.At($"rerun.{field}", $"rerun.{field} {fault}");
}
