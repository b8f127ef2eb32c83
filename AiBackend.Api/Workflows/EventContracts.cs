using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Contracts;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;
using AiBackend.Core.Workflows;

namespace AiBackend.Api.Workflows;

/// <summary>What the data of an event must be: as the step says that waits for it, in the version that the run has.</summary>
internal sealed class EventContracts(ReplayJob jobs, OutputContracts contracts)
{
    /// <returns>Why the event is refused, or null when it is as it should be, or nothing is said.</returns>
    public async Task<Refusal?> CheckAsync(Guid tenantId, Guid runId, WorkflowEvent posted, CancellationToken cancellationToken)
    {
        if (
            await jobs.FindAsync(tenantId, runId, cancellationToken) is not { Type: JobType.Workflow }
            || await jobs.FindInputAsync(tenantId, runId, cancellationToken) is not { } input
        )
        {
            return null;
        }

        var step = RunInput.Read(input).Definition.Steps?.FirstOrDefault(each => each.Name == posted.Name && each.Type == StepTypes.Event);
        if (step?.Contract is not { } contract)
        {
            return null;
        }

        // Nothing is mended: what was posted is what the step gives.
        var strict = contract with
        {
            OnViolation = ContractPolicies.Fail,
        };
        var found = contracts.Check(strict, posted.Data?.GetRawText() ?? "null", finishReason: null, source: "");
        return found.IsValid ? null : Violated(step.Name!, found.Check);
    }

    private static Refusal Violated(string step, ContractCheck check)
    {
        var errors = new FieldErrors();
        foreach (var violation in check.Violations)
        {
            errors.Add("data" + violation.Path, violation.Message);
        }

        var told = string.Join(' ', check.Violations.Select(each => $"data{each.Path} {each.Message}"));
        return ProblemTypes.ContractViolated.With($"The data is not what the step {step} takes: {told} Send what its contract says.") with
        {
            Errors = errors.ToRefusal()?.Errors,
        };
    }
}
