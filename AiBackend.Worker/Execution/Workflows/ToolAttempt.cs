using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Core.Workflows;
using AiBackend.Worker.Execution.Chat;
using AiBackend.Worker.Execution.Tools;

namespace AiBackend.Worker.Execution.Workflows;

/// <summary>One try at a step that calls a tool: the ledger and the guards are those of the calls that models ask for.</summary>
internal sealed class ToolAttempt(JobTools tools, ChatEnds ends, Random random)
{
    public Task<AttemptEnd> RunAsync(RunningJob running, CancellationToken graceOver) =>
        AttemptGuard.RunAsync(running, stop => CallAsync(running, stop), ends.AfterOutage, graceOver);

    private async Task<AttemptEnd> CallAsync(RunningJob running, CancellationToken stop)
    {
        var job = running.Job;
        var rounds = await tools.OpenAsync(running, JobTerms.Read(job.Terms).Tools!, stop);
        if (await rounds.ResumeAsync(stop) is { } waits)
        {
            return waits;
        }

        // Of what has failed before only what changes nothing is called again, whoever comes to know of it.
        if (rounds.LastCall is null or { State: ToolCallState.Failed, Effect: ToolEffect.Read })
        {
            var input = ToolStepInput.Read(job.Input);
            var asked = ChatToolCall.Of(FormattableString.Invariant($"step-{rounds.Last + 1}"), input.Tool, input.Arguments.GetRawText());
            if (await rounds.CallAsync(asked, stop) is { } end)
            {
                return end;
            }
        }

        var call = rounds.LastCall!;
        if (call.State == ToolCallState.Done)
        {
            running.AppendText(call.Result ?? "");
            return AttemptEnd.Succeeded(call.Result ?? "");
        }

        return AfterFailure(job, call);
    }

    /// <summary>Only what changes nothing is called again.</summary>
    private AttemptEnd AfterFailure(ClaimedJob job, ToolCall call)
    {
        var mayRetry = call.Effect == ToolEffect.Read && job.CountedAttempts < job.MaxAttempts;
        var error = new JobError(
            "tool_failed",
            call.Effect is null ? "caller_error" : "transient",
            $"The tool {call.Tool} failed. {call.Result}",
            Retryable: call.Effect is not null
        );
        return mayRetry && RetryPolicy.NextDelay(job, null, job.TimeLeft, random.NextDouble()) is { } delay
            ? AttemptEnd.FailedForNow(error, delay)
            : AttemptEnd.FailedForGood(error);
    }
}
