using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Contracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Core.Workflows;
using AiBackend.Worker.Execution.Chat;
using AiBackend.Worker.Execution.Tools;

namespace AiBackend.Worker.Execution.Workflows;

/// <summary>One try at a step that calls a tool: the ledger and the guards are those of the calls that models ask for.</summary>
internal sealed class ToolAttempt(JobTools tools, OutputContracts contracts, ChatEnds ends, Random random)
{
    public Task<AttemptEnd> RunAsync(RunningJob running, CancellationToken graceOver) =>
        AttemptGuard.RunAsync(running, stop => CallAsync(running, stop), ends.AfterOutage, graceOver);

    private async Task<AttemptEnd> CallAsync(RunningJob running, CancellationToken stop)
    {
        var job = running.Job;
        var terms = JobTerms.Read(job.Terms);
        var rounds = await tools.OpenAsync(running, terms.Tools!, (tool, wait) => AfterUsedUp(job, tool, wait), stop);
        var hadEnded = rounds.LastCall is { HasEnded: true };
        if (await rounds.ResumeAsync(stop) is { } waits)
        {
            return waits;
        }

        // Of what was of no use to an attempt before only what changes nothing is called again, whoever comes to know of it.
        if (
            rounds.LastCall is not { } before
            || (hadEnded && before.Effect == ToolEffect.Read && (before.State == ToolCallState.Failed || Broken(terms, before) is not null))
        )
        {
            var input = ToolStepInput.Read(job.Input);
            var asked = ChatToolCall.Of(FormattableString.Invariant($"step-{rounds.Last + 1}"), input.Tool, input.Arguments.GetRawText());
            if (await rounds.CallAsync(asked, stop) is { } end)
            {
                return end;
            }
        }

        return End(running, terms, rounds.LastCall!);
    }

    private AttemptEnd End(RunningJob running, JobTerms terms, ToolCall call)
    {
        if (call.State != ToolCallState.Done)
        {
            return AfterFailure(
                running.Job,
                call,
                new(
                    "tool_failed",
                    call.Effect is null ? "caller_error" : "transient",
                    $"The tool {call.Tool} failed. {call.Result}",
                    Retryable: call.Effect is not null
                )
            );
        }

        if (Broken(terms, call) is { } broken)
        {
            const string Code = "contract_violation";
            return AfterFailure(
                running.Job,
                call,
                new(
                    Code,
                    Code,
                    $"What the tool {call.Tool} gave breaks the step's contract ({broken.Verdict}): {Violations.Told(broken)}",
                    Retryable: true
                )
            ) with
            {
                Checks = [broken],
            };
        }

        running.AppendText(call.Result ?? "");
        return AttemptEnd.Succeeded(call.Result ?? "") with { Checks = terms.Contract is null ? [] : [new() { Verdict = Verdicts.Valid }] };
    }

    /// <summary>What is wrong with a result, read as the value that the step would give; null when nothing is, or nothing is asked of it.</summary>
    private ContractCheck? Broken(JobTerms terms, ToolCall call)
    {
        if (terms.Contract is not { } contract)
        {
            return null;
        }

        var value = StepValues.Find(call.Result ?? "", out var fault) ?? StepValues.OfText(call.Result ?? "");
        // What is no value of a step at all fails the step when the run takes it in.
        return fault is null && contracts.Check(contract, value) is { Verdict: not Verdicts.Valid } check ? check : null;
    }

    /// <summary>Nothing was called, so whatever it does it is called later, and no try is used up.</summary>
    private AttemptEnd? AfterUsedUp(ClaimedJob job, ToolDefinition tool, TimeSpan wait) =>
        job.Attempt < RetryPolicy.MostAttempts
            ? AttemptEnd.WaitsForProvider(
                new(
                    WaitingReasons.ToolRate,
                    "transient",
                    FormattableString.Invariant($"All {tool.CallsPerMinute} calls of the tool {tool.Name} in this minute are used up."),
                    Retryable: true
                ),
                $"{WaitingReasons.ToolRate}:{tool.Name}",
                RetryPolicy.NextLook(wait, job.Attempt, random.NextDouble())
            )
            : null;

    /// <summary>Only what changes nothing is called again.</summary>
    private AttemptEnd AfterFailure(ClaimedJob job, ToolCall call, JobError error)
    {
        var mayRetry = call.Effect == ToolEffect.Read && job.CountedAttempts < job.MaxAttempts;
        return mayRetry && RetryPolicy.NextDelay(job, null, job.TimeLeft, random.NextDouble()) is { } delay
            ? AttemptEnd.FailedForNow(error, delay)
            : AttemptEnd.FailedForGood(error);
    }
}
