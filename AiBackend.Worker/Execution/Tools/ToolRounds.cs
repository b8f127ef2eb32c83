using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Reviews;
using AiBackend.ApiContracts.Tools;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;
using Microsoft.Extensions.AI;

namespace AiBackend.Worker.Execution.Tools;

/// <summary>Says how an attempt ends that may not call a tool now.</summary>
/// <param name="tool">The tool, all of whose calls of this minute are used up.</param>
/// <param name="wait">Until it has some again.</param>
/// <returns>Null when the attempt goes on without the call.</returns>
internal delegate AttemptEnd? WhenUsedUp(ToolDefinition tool, TimeSpan wait);

/// <summary>The rounds of one job: what its model asked for, over all attempts, and what came of it. A call with a result is never made again.</summary>
internal sealed class ToolRounds(
    RunningJob running,
    OfferedTools offered,
    IReadOnlyList<ToolCall> before,
    IReadOnlyList<JobWait> waits,
    FencedCalls ledger,
    ToolRunner runner,
    ToolsOptions options,
    ReviewOptions reviews,
    JobMetrics metrics,
    WhenUsedUp whenUsedUp
)
{
    private const int AtOnce = 8;

    private readonly List<ToolCall> _calls = [.. before];
    private long _tokensCounted;
    private decimal _costCounted;
    private AttemptEnd? _notNow;

    private ClaimedJob Job => running.Job;

    /// <summary>What the model may be offered; null when the tool is gone, or not for this job's key.</summary>
    public ToolDefinition? Find(string name) => offered.Find(name);

    /// <summary>Whether a turn's calls are for us. Of one that mixes them with the caller's, ours alone are made, and the model is told.</summary>
    public bool Runs(IReadOnlyList<ChatToolCall> calls) => calls.Any(offered.IsRegistered);

    /// <summary>Brings the last round of the attempts before to its end.</summary>
    /// <returns>How this attempt ends, where somebody has to be asked; null goes on.</returns>
    public async Task<AttemptEnd?> ResumeAsync(CancellationToken stop) =>
        _calls.Count == 0 ? null : await SettleAsync(_calls[^1].Round, stop);

    /// <summary>Writes a new round down, and makes its calls.</summary>
    /// <returns>How this attempt ends; null goes on.</returns>
    public async Task<AttemptEnd?> RunAsync(IReadOnlyList<ChatToolCall> asked, string said, JobUsage? usage, CancellationToken stop)
    {
        var calls = asked.Select((call, position) => offered.Examine(call, Last + 1, position)).ToList();
        var (tokens, cost) = ((usage?.InputTokens ?? 0) + (usage?.OutputTokens ?? 0), usage?.CostUsd ?? 0);
        calls[0] = calls[0] with { Said = said, Tokens = tokens - _tokensCounted, CostUsd = cost - _costCounted };
        (_tokensCounted, _costCounted) = (tokens, cost);
        return ToolLimits.Exceeded(options, offered.Terms, _calls, calls) is { } error
            ? AttemptEnd.FailedForGood(error)
            : await BeginAsync(calls, stop);
    }

    /// <summary>The same for a call that no model asked for: how often it is made is not for these limits to say.</summary>
    public Task<AttemptEnd?> CallAsync(ChatToolCall asked, CancellationToken stop) =>
        BeginAsync([offered.Examine(asked, Last + 1, 0)], stop);

    private async Task<AttemptEnd?> BeginAsync(List<ToolCall> calls, CancellationToken stop)
    {
        await ledger.RecordAsync(calls, stop);
        _calls.AddRange(calls);
        foreach (var call in calls.Where(call => call.HasEnded))
        {
            Tell(call, null);
        }

        return await SettleAsync(calls[0].Round, stop);
    }

    /// <summary>Rounds as the model is to see them, after the first <paramref name="skip"/>.</summary>
    public IEnumerable<ChatMessage> MessagesAfter(int skip) =>
        _calls.GroupBy(call => call.Round).Where(round => round.Key > skip).SelectMany(RoundTexts.Messages);

    /// <summary>The last call; null when none was made.</summary>
    public ToolCall? LastCall => _calls.LastOrDefault();

    /// <summary>The number of the last round.</summary>
    public int Last => _calls.Count == 0 ? 0 : _calls[^1].Round;

    private async Task<AttemptEnd?> SettleAsync(int round, CancellationToken stop)
    {
        var approved = await ApproveAsync(round, stop);
        if (approved is not null)
        {
            return AskedForReview(ReviewReasons.ToolApproval, approved);
        }

        await Parallel.ForEachAsync(
            OfRound(round).Where(IsOurs).ToList(),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stop },
            async (call, token) => await MakeAsync(call, token)
        );
        if (_notNow is { } waits)
        {
            return waits;
        }

        var unknown = OfRound(round).Where(call => call.State == ToolCallState.OutcomeUnknown).ToList();
        if (unknown.Count > 0)
        {
            return AskedForReview(ReviewReasons.OutcomeUnknown, await AskAsync(unknown, ToolCallState.OutcomeUnknown, stop));
        }

        return await HandOutAsync(round, stop);
    }

    /// <returns>The calls that a person has to approve now; null when none.</returns>
    private async Task<IReadOnlyList<ToolCall>?> ApproveAsync(int round, CancellationToken stop)
    {
        foreach (var call in OfRound(round).Where(call => call.State == ToolCallState.AwaitingApproval && WaitOf(call) is not null))
        {
            // Approved; written down with its send. Nobody's answer is none.
            if (WaitOf(call)!.Answer == WaitAnswer.Continued)
            {
                Keep(call with { State = ToolCallState.Recorded });
                continue;
            }

            metrics.ToolRefused(ToolRefusals.NotApproved);
            Keep(await EndAsync(call, ToolEnd.Failed("Nobody approved the call in time; it was not made."), null));
        }

        var open = OfRound(round)
            .Where(call =>
                call.State == ToolCallState.AwaitingApproval
                || (call.State == ToolCallState.Recorded && Find(call.Tool) is { NeedsApproval: true } && WaitOf(call) is null)
            )
            .ToList();
        return open.Count == 0 ? null : await AskAsync(open, ToolCallState.AwaitingApproval, stop);
    }

    // Without a proposal, so that to approve is to let the job go on.
    private AttemptEnd AskedForReview(string reason, IReadOnlyList<ToolCall> calls) =>
        AttemptEnd.AskedForReview(reviews.AskAboutCalls(RoundTexts.ReviewOf(reason, calls)), proposal: "");

    private bool IsOurs(ToolCall call) =>
        !call.HasEnded
        && call.Effect is not (null or ToolEffect.ExternalWait)
        && !(call.State == ToolCallState.OutcomeUnknown && WaitOf(call) is null);

    private async Task MakeAsync(ToolCall call, CancellationToken stop)
    {
        if (call.State == ToolCallState.OutcomeUnknown)
        {
            Keep(await EndAsync(call, DecisionOf(WaitOf(call)!), null));
            return;
        }

        if (Find(call.Tool) is not { } tool)
        {
            var wasMade = call.State == ToolCallState.Sent;
            if (!wasMade)
            {
                metrics.ToolRefused(ToolRefusals.NotThere);
            }

            Keep(await EndAsync(call, wasMade ? ToolEnd.Unknown : ToolEnd.Failed(OfferedTools.NotThere), null));
            return;
        }

        var startedAt = System.Diagnostics.Stopwatch.GetTimestamp();
        ToolEnd end;
        if (call.State == ToolCallState.Sent && call.Effect == ToolEffect.Write)
        {
            end = await runner.VerifyAsync(Job, tool, call, stop);
        }
        else
        {
            var wasSent = call.State == ToolCallState.Sent;
            // One that is sent again under its key is no other call.
            if (!wasSent && await ledger.RefuseAsync(tool, stop) is { } wait)
            {
                await RefuseAsync(call, tool, wait);
                return;
            }

            if (call.Effect != ToolEffect.Read)
            {
                call = call with { State = ToolCallState.Sent, AskedAttempt = null };
                await ledger.MoveAsync([call], stop);
            }

            running.Stop.ThrowIfCancellationRequested();
            end = await runner.RunAsync(Job, tool, call, wasSent, stop);
            FaultPoints.Hit(FaultPoint.K14, Job.Model);
            if (end.State == ToolCallState.OutcomeUnknown)
            {
                end = await runner.VerifyAsync(Job, tool, call, stop);
            }
        }

        Keep(await EndAsync(call, end, System.Diagnostics.Stopwatch.GetElapsedTime(startedAt)));
    }

    /// <summary>One that waits stays as it was written down, with its approval.</summary>
    private async Task RefuseAsync(ToolCall call, ToolDefinition tool, TimeSpan wait)
    {
        metrics.ToolRefused(ToolRefusals.Rate);
        if (whenUsedUp(tool, wait) is { } end)
        {
            _notNow = end;
            return;
        }

        Keep(await EndAsync(call, ToolEnd.Failed(RoundTexts.UsedUp(tool, wait)), null));
    }

    private static ToolEnd DecisionOf(JobWait wait)
    {
        var found = wait.Answer == WaitAnswer.Continued ? wait.AnswerData ?? "nothing" : "nothing, in time";
        return new(
            ToolCallState.Done,
            $"Nobody could tell whether the call took effect, and it was not made again. A reviewer said: {found}"
        );
    }

    /// <summary>Gives calls to the clients that make them.</summary>
    private async Task<AttemptEnd?> HandOutAsync(int round, CancellationToken stop)
    {
        foreach (var call in OfRound(round).Where(call => call.IsClients && call.State == ToolCallState.Sent && WaitOf(call) is not null))
        {
            Keep(await EndAsync(call, ToolEnd.Failed("There was no result in time."), null));
        }

        var open = OfRound(round).Where(call => call.IsClients).ToList();
        if (open.Count == 0)
        {
            return null;
        }

        var asked = await AskAsync(open, ToolCallState.Sent, stop);
        var patience = TimeSpan.FromSeconds(open.Max(call => Find(call.Tool)?.TimeoutSeconds ?? 1));
        return AttemptEnd.AskedForTool(new JobQuestion(RoundTexts.QuestionOf(asked), patience, WaitDefault.Continue));
    }

    /// <summary>Notes that this attempt's wait decides about calls.</summary>
    private async Task<IReadOnlyList<ToolCall>> AskAsync(IReadOnlyList<ToolCall> calls, ToolCallState state, CancellationToken stop)
    {
        List<ToolCall> asked = [.. calls.Select(call => call with { State = state, AskedAttempt = Job.Attempt })];
        await ledger.MoveAsync(asked, stop);
        asked.ForEach(Keep);
        return asked;
    }

    /// <summary>Writes a receipt down, for as long as the lease holds and whoever has given up the attempt meanwhile.</summary>
    private async Task<ToolCall> EndAsync(ToolCall call, ToolEnd end, TimeSpan? took)
    {
        call = call with { State = end.State, Result = end.Text };
        await ledger.MoveAsync([call], CancellationToken.None);
        Tell(call, took);
        return call;
    }

    private void Tell(ToolCall call, TimeSpan? took) =>
        running.AppendToolResult(
            new ToolResultEvent(
                Job.Attempt,
                call.CallId,
                call.Tool,
                call.State.ToWire(),
                took is { } time ? Math.Round(time.TotalSeconds, 3) : null
            )
        );

    private List<ToolCall> OfRound(int round) => [.. _calls.Where(call => call.Round == round)];

    private void Keep(ToolCall call)
    {
        lock (_calls)
        {
            _calls[_calls.FindIndex(each => each.Round == call.Round && each.Position == call.Position)] = call;
        }
    }

    /// <summary>The answer about a call: of the attempt that asked, if it came so far.</summary>
    private JobWait? WaitOf(ToolCall call) =>
        call.AskedAttempt is { } attempt ? waits.FirstOrDefault(wait => wait.Attempt == attempt && wait.Answer is not null) : null;
}
