using System.Globalization;
using System.Text;
using AiBackend.ApiContracts.Conversations;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Failures;

namespace AiBackend.Worker.Execution.Chat;

/// <summary>What has arrived so far.</summary>
internal sealed class ChatAnswer(TimeProvider clock, ChatCalls calls)
{
    private const string CutReason = "stream_cut";

    private readonly StringBuilder _text = new();
    private readonly List<ChatToolCall> _toolCalls = [];
    private TimeSpan? _firstTokenAfter;
    private ServedBy? _servedBy;
    private int _fallbacks;
    private int _kept;
    private string? _finishReason;
    private int? _bound;

    /// <summary>What the answer has to keep; null is nothing.</summary>
    public ContractedAnswer? Contract { get; set; }

    /// <summary>What the model was given of a conversation; null without one.</summary>
    public JobContext? Context { get; set; }

    public long StartedAt { get; } = clock.GetTimestamp();

    /// <summary>Whether a provider was asked for what would be lost with this attempt.</summary>
    public bool AnyCall => calls.All.Skip(_kept).Any(call => call.WasMade);

    /// <summary>The deployment that said last that it is asked too fast, as those are named who wait for it; null when the last one failed otherwise.</summary>
    public string? RefusedByPace =>
        calls.All is [.., { Failure: ProviderFailure.RateLimited } last] ? $"{last.Provider}/{last.Model}:{ICallPace.Limit}" : null;

    /// <summary>Whether the model asks for tools that it was given; then what it says is no answer yet.</summary>
    public bool AsksForTools => _toolCalls.Count > 0;

    /// <summary>What it asks for.</summary>
    public IReadOnlyList<ChatToolCall> ToolCalls => [.. _toolCalls];

    /// <summary>Why the last turn ended; null when nobody said.</summary>
    public string? FinishReason => _finishReason;

    /// <summary>Who gave the last turn's text.</summary>
    public ServedBy? ServedBy => _servedBy;

    public bool HasText => _text.Length > 0;

    /// <summary>Whether the model has said anything, in this turn or one before.</summary>
    public bool HasBegun => _firstTokenAfter is not null;

    public string Text => _text.ToString();

    /// <summary>Another turn follows: what was said so far is not the answer.</summary>
    /// <param name="running">The job, whose readers are told.</param>
    /// <param name="reason">Why, as a code.</param>
    public void Begin(RunningJob running, string reason)
    {
        _text.Clear();
        _toolCalls.Clear();
        _finishReason = null;
        running.AppendReset(reason);
    }

    /// <summary>What was answered so far is a round of tools, which is stored: the next attempt goes on behind it.</summary>
    public void KeepRound() => _kept = calls.All.Count;

    public void Apply(ChatProgress progress, RunningJob running)
    {
        switch (progress)
        {
            case ChatProgress.Text(var delta):
                _firstTokenAfter ??= clock.GetElapsedTime(StartedAt);
                _text.Append(delta);
                running.AppendText(delta);
                FaultPoints.Hit(FaultPoint.K10, running.Job.Model);
                break;
            case ChatProgress.ToolAsked(var id, var name, var arguments):
                _firstTokenAfter ??= clock.GetElapsedTime(StartedAt);
                var call = ChatToolCall.Of(id, name, arguments);
                _toolCalls.Add(call);
                running.AppendToolCall(call);
                break;
            case ChatProgress.CallStarted started:
                _servedBy = new ServedBy(started.Provider, started.Model, null, _fallbacks, started.Simulated);
                ModelSwitches.Note(started, running);
                if (started.LeftOut is { } names)
                {
                    running.AppendNotice("parameters_left_out", $"{started.Provider} takes no {names}; it was asked without.");
                }

                break;
            case ChatProgress.FailedOver(var from, var to, var failure):
                _fallbacks++;
                running.AppendNotice(
                    "provider_failover",
                    $"{from} failed ({failure.Code}), asked {(from == to ? "it again" : $"{to} instead")}."
                );
                break;
            case ChatProgress.Restarted:
                _text.Clear();
                _toolCalls.Clear();
                running.AppendReset(CutReason);
                break;
            case ChatProgress.Continued:
                running.AppendContinued(CutReason);
                break;
            case ChatProgress.Finished finished:
                (_servedBy, _finishReason, _bound) = (finished.ServedBy, finished.FinishReason, finished.Bound);
                break;
        }
    }

    public AttemptEnd Finish() =>
        _finishReason switch
        {
            "length" => AttemptEnd.Partial(Text, $"The answer reached {Limit} and was cut off."),
            "content_filter" => AttemptEnd.Partial(Text, "The provider's content filter cut the answer off."),
            _ => AttemptEnd.Succeeded(Text),
        } with
        {
            ToolCalls = _toolCalls,
            // Some servers say stop, or nothing, where they mean that they wait for tools.
            FinishReason = _toolCalls.Count > 0 && _finishReason is not ("length" or "content_filter") ? "tool_calls" : _finishReason,
        };

    private string Limit =>
        _bound is { } tokens
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"the limit of output tokens ({tokens}: it has no max_output_tokens, and a budget, max_cost_usd or its run limits it)"
            )
            : "the limit of output tokens";

    /// <summary>Adds what is known of the calls, also of one that was cut off in the middle.</summary>
    public AttemptEnd Describe(AttemptEnd end)
    {
        // The last call may be a judge's.
        var last = calls.All.LastOrDefault(call => call.Provider == _servedBy?.Provider && call.Model == _servedBy.Model);
        return end with
        {
            ServedBy = _servedBy is null ? null : _servedBy with { ModelVersion = _servedBy.ModelVersion ?? last?.ModelVersion },
            Usage = CallTraces.UsageOf(calls.All),
            FirstTokenAfter = _firstTokenAfter,
            Checks = Contract?.Checks ?? [],
            Context = Context,
            Calls = [.. calls.All.Select(CallTraces.Of)],
        };
    }
}
