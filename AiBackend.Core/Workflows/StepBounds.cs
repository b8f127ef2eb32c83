using System.Text.Json;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Reviews;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Contracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools.Code;

namespace AiBackend.Core.Workflows;

/// <summary>Says at the door what is wrong with one step.</summary>
internal sealed class StepBounds(OutputContracts contracts, CodeTools code)
{
    private const int MaxConcurrency = 50;
    private const double LongestSeconds = 30 * 86400;

    /// <param name="step">What a caller sent.</param>
    /// <param name="report">Takes the member of each fault, and what is wrong there.</param>
    public void Check(WorkflowStep step, Action<string, string> report)
    {
        if (!StepTypes.All.Contains(step.Type, StringComparer.Ordinal))
        {
            report("type", $"must be one of {string.Join(", ", StepTypes.All)}.");
            return;
        }

        if (
            step.OnFailure is not (null or "fail" or "skip")
            || (step.OnFailure is not null && step.Type != StepTypes.Map && !StepTypes.OfJobs.Contains(step.Type, StringComparer.Ordinal))
        )
        {
            report("on_failure", $"must be fail or skip, and is for the types {string.Join(", ", StepTypes.OfJobs)} and map.");
        }

        foreach (var member in Members(step).Where(member => member.IsGiven && !member.Of.Contains(step.Type, StringComparer.Ordinal)))
        {
            report(member.Name, $"is not for the type {step.Type}; leave it out.");
        }

        if (step.Type is StepTypes.Tool or StepTypes.Transform or StepTypes.Map or StepTypes.Event)
        {
            CheckStrict(step.Contract, report);
        }

        CheckCondition(step.When, report);
        CheckBackoff(step, report);
        switch (step.Type)
        {
            case StepTypes.Chat:
                CheckChat(step, report);
                break;
            case StepTypes.Tool:
                CheckTool(step, report);
                break;
            case StepTypes.Review:
                CheckReview(step, report);
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
                CheckMap(step, report);
                break;
        }
    }

    private void CheckChat(WorkflowStep step, Action<string, string> report)
    {
        if (step.Messages is not { Count: > 0 })
        {
            report("messages", "is missing; send what the model is asked.");
        }

        if (step.MaxToolCalls is not null && step.Tools is not { Count: > 0 })
        {
            report("max_tool_calls", "is given without tools; leave it out, or name tools.");
        }

        CheckContract(step.Contract, report);
    }

    private void CheckTool(WorkflowStep step, Action<string, string> report)
    {
        if (string.IsNullOrEmpty(step.Tool))
        {
            report("tool", "is missing; name a registered tool.");
        }

        if (step.Arguments is { ValueKind: not JsonValueKind.Object })
        {
            report("arguments", "must be an object with the tool's parameters.");
        }

        if (step is { Inline: true, Tool: { } tool } && !code.IsInline(tool))
        {
            report(
                "inline",
                $"is for tools that come with the worker, only read and need no approval: {string.Join(", ", code.Inline)}. Leave it out, and a job calls the tool."
            );
        }
    }

    private void CheckReview(WorkflowStep step, Action<string, string> report)
    {
        if (string.IsNullOrWhiteSpace(step.Question))
        {
            report("question", "is missing; say what a person has to decide.");
        }

        if (step.Value is null)
        {
            report("value", "is missing; it says what is to be approved.");
        }

        if (step.Review?.OnTimeout == ReviewTimeouts.Continue)
        {
            report("review.on_timeout", "is continue; nobody can make the value anew. Send accept, reject or fail.");
        }

        OutputContracts.RefuseReview(step.Review, report);
        CheckContract(step.Contract, report);
    }

    /// <summary>Of what no model writes and nobody approves: nothing is mended, and nobody is asked about it.</summary>
    /// <param name="contract">The contract, or null.</param>
    /// <param name="report">Takes the member of each fault, and what is wrong there.</param>
    public void CheckStrict(OutputContract? contract, Action<string, string> report)
    {
        if (contract is { OnViolation: not null } or { Review: not null })
        {
            report(
                "contract.on_violation",
                "is for answers of models: any other value that breaks the contract is refused. Leave on_violation and review out."
            );
        }

        if (contract?.Rules?.Any(rule => rule?.Rule is ContractRules.Judge or ContractRules.Cited) == true)
        {
            report("contract.rules", "has a rule that needs a model or a source; here is neither. Leave out judge and cited.");
        }

        CheckContract(contract, report);
    }

    private void CheckContract(OutputContract? contract, Action<string, string> report)
    {
        if (contract is not null)
        {
            contracts.Refuse(contract, (place, fault) => report($"contract.{place}", fault));
        }
    }

    private void CheckMap(WorkflowStep step, Action<string, string> report)
    {
        if (step.Over is null || !WorkflowTemplates.IsOne(step.Over))
        {
            report("over", "must be one placeholder that stands for a list, such as {{input.documents}}.");
        }

        if (step.Concurrency is < 1 or > MaxConcurrency)
        {
            report("concurrency", FormattableString.Invariant($"must be from 1 to {MaxConcurrency}."));
        }

        if (
            step.Step is not { Name: null, After: null, When: null, OnFailure: null } inner
            || !StepTypes.OfJobs.Contains(inner.Type, StringComparer.Ordinal)
        )
        {
            report(
                "step",
                $"must be a step of one of the types {string.Join(", ", StepTypes.OfJobs)}, without name, after, when and on_failure."
            );
            return;
        }

        if (inner.Inline is true)
        {
            report("step.inline", "is not for what a map does, whose items are jobs, so many at a time. Leave it out.");
            return;
        }

        Check(inner, (member, fault) => report($"step.{member}", fault));
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

    private static void CheckBackoff(WorkflowStep step, Action<string, string> report)
    {
        if (step.Backoff is not { } backoff)
        {
            return;
        }

        if (step.MaxAttempts == 1)
        {
            report("backoff", "is given with max_attempts 1, after which nothing is tried again. Leave it out, or allow more attempts.");
        }

        Backoff.Check(backoff.InitialSeconds, backoff.MaxSeconds, backoff.Factor, (member, fault) => report($"backoff.{member}", fault));
    }

    private static IEnumerable<(string Name, bool IsGiven, string[] Of)> Members(WorkflowStep step) =>
        [
            ("messages", step.Messages is not null, [StepTypes.Chat]),
            ("model", step.Model is not null, [StepTypes.Chat]),
            ("contract", step.Contract is not null, [.. StepTypes.All.Where(type => type != StepTypes.Timer)]),
            ("retrieve", step.Retrieve is not null, [StepTypes.Chat]),
            ("attachments", step.Attachments is not null, [StepTypes.Chat]),
            ("artifact", step.Artifact is not null, [StepTypes.Chat]),
            ("tools", step.Tools is not null, [StepTypes.Chat]),
            ("max_tool_calls", step.MaxToolCalls is not null, [StepTypes.Chat]),
            ("priority", step.Priority is not null, [StepTypes.Chat, StepTypes.Tool]),
            ("max_attempts", step.MaxAttempts is not null, [StepTypes.Chat, StepTypes.Tool]),
            ("backoff", step.Backoff is not null, [StepTypes.Chat, StepTypes.Tool]),
            ("max_output_tokens", step.MaxOutputTokens is not null, [StepTypes.Chat]),
            ("temperature", step.Temperature is not null, [StepTypes.Chat]),
            ("tool", step.Tool is not null, [StepTypes.Tool]),
            ("arguments", step.Arguments is not null, [StepTypes.Tool]),
            ("inline", step.Inline is not null, [StepTypes.Tool]),
            ("question", step.Question is not null, [StepTypes.Review]),
            ("review", step.Review is not null, [StepTypes.Review]),
            ("value", step.Value is not null, [StepTypes.Transform, StepTypes.Review]),
            ("over", step.Over is not null, [StepTypes.Map]),
            ("concurrency", step.Concurrency is not null, [StepTypes.Map]),
            ("step", step.Step is not null, [StepTypes.Map]),
            ("seconds", step.Seconds is not null, [StepTypes.Timer, StepTypes.Event]),
        ];
}
