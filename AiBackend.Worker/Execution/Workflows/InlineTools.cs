using System.Diagnostics;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Contracts;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using AiBackend.Core.Tools.Code;
using AiBackend.Core.Workflows;
using AiBackend.Worker.Execution.Tools;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution.Workflows;

/// <summary>Calls tools of steps in the look of their run itself, so that what they give is there however long the line of jobs is.</summary>
/// <remarks>
/// They only read: whoever follows a look that died before it had written down what they gave calls them again. What nothing comes of at once, for
/// whatever reason, is the work of a job, which has the tries, the waits, the ledger and the errors of any other.
/// </remarks>
internal sealed class InlineTools(CodeTools code, ToolRunner runner, OutputContracts contracts, JobIds ids, IOptions<WorkerOptions> options)
{
    private const int AtOnce = 8;

    private TimeSpan Patience => TimeSpan.FromSeconds(options.Value.InlineSeconds);

    /// <param name="running">The run's job.</param>
    /// <param name="run">The run.</param>
    /// <param name="asked">Steps whose tools are to be called.</param>
    /// <param name="calling">How long this look has called tools so far: one whose tools are slow leaves the others to jobs.</param>
    /// <param name="stop">Ends it.</param>
    /// <returns>Each of them as it has ended, or as a job will do it.</returns>
    public async Task<List<StepState>> CallAsync(
        RunningJob running,
        RunInput run,
        IReadOnlyCollection<InlineStep> asked,
        Stopwatch calling,
        CancellationToken stop
    )
    {
        if (asked.Count == 0)
        {
            return [];
        }

        var states = new StepState[asked.Count];
        calling.Start();
        await Parallel.ForEachAsync(
            asked.Index(),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stop },
            async (each, token) =>
            {
                var begun = new StepState(each.Item.Step.Name!, null, StepStatus.Running) { Type = each.Item.Step.Type };
                var ended = calling.Elapsed < Patience ? await CallAsync(running.Job, run, each.Item, begun, token) : null;
                states[each.Index] = ended ?? begun with { JobId = ids.Next() };
            }
        );
        calling.Stop();
        FaultPoints.Hit(FaultPoint.K14, running.Job.Model);
        return [.. states];
    }

    /// <returns>Null when nothing came of it that the step can give.</returns>
    private async Task<StepState?> CallAsync(ClaimedJob job, RunInput run, InlineStep asked, StepState begun, CancellationToken stop)
    {
        var input = ToolStepInput.Read(asked.Input.Json);
        var arguments = input.Arguments.GetRawText();
        // What the run was accepted with may be somebody's own tool, and what the worker has may have become another one since.
        if (
            run.Tools?.Any(tool => tool.Name == input.Tool && tool.Version == 0) != true
            || !code.IsInline(input.Tool)
            || code.Definition(input.Tool) is not { } tool
            || ToolArguments.FaultOf(tool.Parameters, arguments) is not null
        )
        {
            return null;
        }

        var end = await runner.RunAsync(
            job,
            // How long the look has, not how long a job of the tool's has: the installation's setting is what counts, whichever is more.
            tool with
            {
                TimeoutSeconds = options.Value.InlineSeconds,
            },
            new ToolCall
            {
                Round = 0,
                Position = 0,
                Attempt = job.Attempt,
                CallId = begun.Name,
                Tool = tool.Name,
                Effect = tool.Effect,
                Arguments = arguments,
                EffectId = $"{job.Lease.JobId:N}-{begun.Name}",
                State = ToolCallState.Recorded,
            },
            wasSent: false,
            stop
        );
        if (end is not { State: ToolCallState.Done, Text: { } text })
        {
            return null;
        }

        var value = StepValues.Find(text, out var fault) ?? StepValues.OfText(text);
        var check = asked.Step.Contract is { } contract ? contracts.Check(contract, value) : null;
        return fault is null && check is null or { Verdict: Verdicts.Valid } ? begun.Gave(value) with { Check = check } : null;
    }
}
