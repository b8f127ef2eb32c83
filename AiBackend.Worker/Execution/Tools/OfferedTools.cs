using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Providers.Wire;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;

namespace AiBackend.Worker.Execution.Tools;

/// <summary>The tools of one job, and what it asks of them.</summary>
/// <param name="job">The job.</param>
/// <param name="terms">What it was accepted with.</param>
/// <param name="tools">Those that are there now, by name.</param>
/// <param name="metrics">Counts what is refused.</param>
internal sealed class OfferedTools(ClaimedJob job, ToolTerms terms, IReadOnlyDictionary<string, ToolDefinition> tools, JobMetrics metrics)
{
    public const string NotThere = "There is no such tool any more.";

    public ToolTerms Terms => terms;

    /// <summary>What the model may be offered; null when the tool is gone, or not for this job's key.</summary>
    public ToolDefinition? Find(string name) => tools.GetValueOrDefault(name);

    public bool IsRegistered(ChatToolCall call) => terms.Pinned.Any(tool => tool.Name == call.Function!.Name);

    /// <summary>A call as it is written down: with its error already, where it cannot be made.</summary>
    public ToolCall Examine(ChatToolCall asked, int round, int position)
    {
        var (name, arguments) = (asked.Function!.Name!, asked.Function.Arguments!);
        var tool = Find(name);
        var fault =
            tool is not null ? ToolArguments.FaultOf(tool.Parameters, arguments)
            : IsRegistered(asked) ? NotThere
            : "This tool is run by somebody else. Ask for it in a turn without other tools.";
        if (fault is not null)
        {
            metrics.ToolRefused(
                tool is not null ? ToolRefusals.Arguments
                : IsRegistered(asked) ? ToolRefusals.NotThere
                : ToolRefusals.Elsewhere
            );
        }

        return new ToolCall
        {
            Round = round,
            Position = position,
            Attempt = job.Attempt,
            CallId = asked.Id!,
            Tool = name,
            Version = tool?.Version ?? 0,
            Effect = fault is null ? tool!.Effect : null,
            // What is too long or no JSON is not given back to the model.
            Arguments = fault is not null && (arguments.Length > ToolArguments.MaxBytes || !AskedTool.IsJson(arguments)) ? "{}" : arguments,
            EffectId = FormattableString.Invariant($"{job.Lease.JobId:N}-{round}-{position}"),
            State = fault is null ? ToolCallState.Recorded : ToolCallState.Failed,
            Result = fault,
        };
    }
}
