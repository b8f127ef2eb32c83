using System.Runtime.InteropServices;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Contracts;
using AiBackend.Core.Workflows;

namespace AiBackend.Api.Workflows;

/// <summary>What must hold of a run when it begins, whether it begins anew or goes on from an earlier one.</summary>
internal sealed class RunRules(OutputContracts contracts, JobRequestRules rules, PinTools tools)
{
    /// <summary>What lists call it.</summary>
    public static string TitleOf(RunInput run) => FormattableString.Invariant($"{run.Workflow} v{run.Version}");

    /// <summary>The tools of its steps, in the version that is the newest now.</summary>
    public async Task<(Refusal? Refusal, RunInput Run)> PinAsync(HttpContext context, RunInput run)
    {
        if (StepRules.ToolsOf(run.Definition) is not { Count: > 0 } names)
        {
            return (null, run with { Tools = null });
        }

        var (refusal, pinned) = await tools.PinAsync(
            context.GetTenantId(),
            context.User.GetCaller().KeyId,
            names,
            "steps",
            context.RequestAborted
        );
        return (refusal, run with { Tools = pinned });
    }

    /// <returns>Why there cannot be such a run now, or null.</returns>
    public async ValueTask<Refusal?> RefuseNowAsync(HttpContext context, RunInput run)
    {
        if (CheckInput(run.Definition, run.Input) is { } misfit)
        {
            return misfit;
        }

        foreach (var model in StepRules.ModelsOf(run.Definition))
        {
            if (
                (
                    CallerRights.RefuseModel(context.User.GetCaller(), model)
                    ?? await rules.RefuseUnknownAsync(model, context.RequestAborted)
                ) is
                { } noModel
            )
            {
                return noModel;
            }
        }

        return null;
    }

    private Refusal? CheckInput(WorkflowDefinition definition, JsonElement? input)
    {
        if (input is { } value && StepValues.FaultOf(JsonMarshal.GetRawUtf8Value(value)) is { } fault)
        {
            return ProblemTypes.InvalidValue.At("input", $"input cannot be what steps take. {fault}");
        }

        if (definition.Input is not { ValueKind: not JsonValueKind.Null } schema)
        {
            return null;
        }

        var given = input?.GetRawText() ?? "null";
        var found = contracts.Check(new OutputContract { Schema = schema, OnViolation = ContractPolicies.Fail }, given, null, "");
        if (found.IsValid)
        {
            return null;
        }

        var errors = new FieldErrors();
        foreach (var violation in found.Check.Violations)
        {
            errors.Add($"input{violation.Path}", violation.Message);
        }

        return errors.ToRefusal();
    }
}
