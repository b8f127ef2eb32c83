using System.Runtime.InteropServices;
using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;
using AiBackend.Core.Workflows;

namespace AiBackend.Api.Workflows;

/// <summary>Makes the input of a run that goes on from an earlier one.</summary>
internal sealed class RerunSource(ReplayJob jobs, RunStepStore steps)
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
            return (null, At("run", $"is {id}; {Quoted.Of(workflow)} has no such run, or it was deleted. GET /api/v1/jobs lists jobs."));
        }

        if (!job!.Status.IsTerminal())
        {
            return (null, At("run", $"is {id}, which has not ended. Wait until it has, or cancel it."));
        }

        var states = await steps.ReadAsync(tenantId, id, cancellationToken);
        return TakeOver(earlier, [.. states.Select(row => row.State)], request, id, out var taken) is { } refusal
            ? (null, refusal)
            : (earlier with { Input = request.Input ?? earlier.Input, TakenOver = taken }, null);
    }

    private static Refusal? Check(RunWorkflowRequest request) =>
        request.Rerun!.Run is null ? At("run", "is missing; it is the id of the earlier run.")
        : string.IsNullOrEmpty(request.Rerun.From) ? At("from", "is missing; it names the step from which on everything is done again.")
        : request.Version is not null
            ? ProblemTypes.InvalidValue.At("version", "version cannot be set with rerun: the version of the earlier run is run.")
        : null;

    private static Refusal? TakeOver(
        RunInput earlier,
        IReadOnlyList<StepState> states,
        RunWorkflowRequest request,
        Guid id,
        out TakenOver taken
    )
    {
        taken = null!;
        var (definition, from) = (earlier.Definition, request.Rerun!.From!);
        var names = definition.Steps!.Select(step => step.Name!).ToList();
        if (!names.Contains(from, StringComparer.Ordinal))
        {
            return At("from", $"is {Quoted.Of(from)}; the steps are {string.Join(", ", names)}.");
        }

        var again = Rerun.From(definition, from);
        var given = request.Rerun.Outputs ?? new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var (name, value) in given)
        {
            var fault =
                !names.Contains(name, StringComparer.Ordinal) ? $"names no step; the steps are {string.Join(", ", names)}."
                : again.Contains(name) ? $"is of a step that is done again, because it is {Quoted.Of(from)} or depends on it."
                : StepValues.FaultOf(JsonMarshal.GetRawUtf8Value(value)) is { } bad ? $"cannot be what a step gives. {bad}"
                : null;
            if (fault is not null)
            {
                return At($"outputs.{name}", fault);
            }
        }

        taken = new TakenOver(id, Rerun.Kept(definition, again, given.Keys, states), given);
        return null;
    }

    private static Refusal At(string field, string fault) => ProblemTypes.InvalidValue.At($"rerun.{field}", $"rerun.{field} {fault}");
}
