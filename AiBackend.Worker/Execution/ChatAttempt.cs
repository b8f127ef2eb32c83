using System.Text;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Cache;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Queue.Allocation;

namespace AiBackend.Worker.Execution;

/// <summary>One try at a chat job: streams the model's text into the job's log and says how it ended.</summary>
internal sealed class ChatAttempt(
    RoutedChat chat,
    SharedAnswers answers,
    ModelChoice models,
    TimeProvider clock,
    Random random,
    ILogger<ChatAttempt> logger
)
{
    private static readonly TimeSpan FollowFor = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LongestPatience = TimeSpan.FromDays(30);

    public async Task<AttemptEnd> RunAsync(RunningJob running, CancellationToken graceOver)
    {
        var job = running.Job;
        using var deadline = new CancellationTokenSource(PatienceUntil(job.TimeLeft), clock);

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(running.Stop, graceOver, deadline.Token);
        var calls = new ChatCalls(clock, await CallerOfAsync(job), job.IsRetry);
        var answer = new Answer(clock, calls);
        try
        {
            switch (await answers.EnterAsync(job, stop.Token))
            {
                case FlightEntry.Hit hit:
                    return TakeFromAnother(running, hit);
                case FlightEntry.Follows(var leader) when job.Attempt < RetryPolicy.MostAttempts:
                    return Follow(leader);
            }

            var (messages, options) = ChatInputs.Read(job.Input);
            await foreach (var progress in chat.StreamAsync(job.Model, messages, options, calls, stop.Token))
            {
                answer.Apply(progress, running);
                // What is not read here waits at the provider and not in our memory.
                await running.WaitForRoomAsync(stop.Token);
            }

            FaultPoints.Hit(FaultPoint.K11, job.Model);

            return answer.Describe(answer.Finish());
        }
        // An aborted call may also end with an error of the connection, so the reason to stop decides and not the exception.
        catch (Exception) when (running.IsLost)
        {
            // Whatever is returned is refused by the fence; the lease has a new holder.
            return AttemptEnd.GivenBack();
        }
        catch (Exception) when (running.CancelRequested)
        {
            return answer.Describe(AttemptEnd.Cancelled(answer.HasText ? answer.Text : null));
        }
        catch (Exception) when (deadline.IsCancellationRequested)
        {
            return answer.Describe(AfterDeadline(answer));
        }
        catch (Exception) when (graceOver.IsCancellationRequested)
        {
            return answer.Describe(AttemptEnd.GivenBack());
        }
        catch (Exception failure)
        {
            return answer.Describe(AfterFailure(job, failure, answer));
        }
    }

    /// <summary>The answer of an equal job: in the log like any other, without a call and without cost.</summary>
    private static AttemptEnd TakeFromAnother(RunningJob running, FlightEntry.Hit hit)
    {
        if (hit.Text.Length > 0)
        {
            running.AppendText(hit.Text);
        }

        foreach (var call in hit.ToolCalls)
        {
            running.AppendToolCall(call);
        }

        return AttemptEnd.Succeeded(hit.Text) with
        {
            ToolCalls = hit.ToolCalls,
            FinishReason = hit.FinishReason,
            ServedBy = new ServedBy(hit.Provider, hit.Model, hit.ModelVersion, 0, hit.Simulated)
            {
                Cache = hit.Followed ? "follower" : "hit",
            },
            Usage = new JobUsage(0, 0, 0, 0),
            FirstTokenAfter = TimeSpan.Zero,
        };
    }

    /// <summary>Waits without a slot. That it looks by itself is for the case that nobody lets it go on.</summary>
    private static AttemptEnd Follow(Guid? leader) =>
        AttemptEnd.WaitsForProvider(
            new("single_flight", "transient", "An equal job asks; this one waits for its answer.", Retryable: true),
            $"{WaitingReasons.SingleFlight}:{leader}",
            FollowFor
        );

    private async ValueTask<ChatCaller> CallerOfAsync(ClaimedJob job) =>
        new(job.Lease.JobId, job.Lease.Epoch, (int)job.Priority, job.HasTurn, job.TimeLeft)
        {
            AcceptedAt = clock.GetUtcNow() - job.Age,
            IsMoved = ProviderCatalog.IsAuto(job.Model) && await models.IsMovedAsync(job.Lease.JobId),
            Payer = new(job.TenantId, job.KeyId, job.Feature, job.EndUser, job.MaxCostUsd),
        };

    /// <summary>A timer cannot wait for more than 49 days, and no attempt lasts that long.</summary>
    private static TimeSpan PatienceUntil(TimeSpan? deadline) =>
        deadline switch
        {
            null => Timeout.InfiniteTimeSpan,
            { } left when left > LongestPatience => LongestPatience,
            { } left when left > TimeSpan.Zero => left,
            _ => TimeSpan.Zero,
        };

    private static AttemptEnd AfterDeadline(Answer answer) =>
        answer.HasText
            ? AttemptEnd.Partial(answer.Text, "The answer was cut off because the job's deadline passed.")
            : AttemptEnd.FailedForGood(
                new(
                    "deadline_exceeded",
                    "transient",
                    "The deadline passed before the model began to answer. Submit the job again with a later deadline.",
                    Retryable: true
                )
            );

    private static JobError ErrorOf(ProviderFailure failure) => new(failure.Code, failure.Class, failure.Message, failure.Retryable);

    private static string ReasonOf(ProviderFailure.NotAsked refusal) =>
        refusal.Code switch
        {
            ProviderFailureCodes.Held => $"{WaitingReasons.Paused}:provider/{refusal.Provider}",
            ProviderFailureCodes.CircuitOpen => $"{WaitingReasons.ProviderDown}:{refusal.Provider}",
            _ => $"{WaitingReasons.RetryBudget}:{refusal.Provider}",
        };

    private AttemptEnd AfterFailure(ClaimedJob job, Exception exception, Answer answer)
    {
        var failure = ProviderFailures.Classify(exception);
        var error = ErrorOf(failure);
        if (failure is ProviderFailure.NotAsked { Retryable: true } refusal && !answer.AnyCall && job.Attempt < RetryPolicy.MostAttempts)
        {
            return refusal.Budget is { } budget
                    // It is let go on when there is money; that it looks by itself is for the case that nobody says so.
                    ? AttemptEnd.WaitsForProvider(error, budget, refusal.After + RetryPolicy.LookCap * (1 + 9 * random.NextDouble()))
                : refusal.Limit is { } limit
                    // Its turn is a place in a line: not a moment later.
                    ? AttemptEnd.WaitsForProvider(error, $"{WaitingReasons.RateLimit}:{limit}", refusal.After)
                : AttemptEnd.WaitsForProvider(
                    error,
                    ReasonOf(refusal),
                    RetryPolicy.NextLook(refusal.After, job.Attempt, random.NextDouble())
                );
        }

        logger.AttemptFailed(failure is ProviderFailure.Unknown ? exception : null, job.Lease.JobId, job.Attempt, error.Code);
        var timeLeft = job.TimeLeft - clock.GetElapsedTime(answer.StartedAt);
        // A provider's rate limit is nobody's fault: waiting for it does not use up a try.
        var mayRetry =
            error.Retryable
            && job.Attempt < RetryPolicy.MostAttempts
            && (failure is ProviderFailure.RateLimited || job.CountedAttempts < job.MaxAttempts);
        return mayRetry && RetryPolicy.NextDelay(job.Attempt, failure.RetryAfter, timeLeft, random.NextDouble()) is { } delay
            ? AttemptEnd.FailedForNow(error, delay, answer.RefusedByPace is { } paced ? $"{WaitingReasons.RateLimit}:{paced}" : null)
            : AttemptEnd.FailedForGood(error);
    }

    /// <summary>What has arrived so far.</summary>
    private sealed class Answer(TimeProvider clock, ChatCalls calls)
    {
        private const string CutReason = "stream_cut";

        private readonly StringBuilder _text = new();
        private readonly List<ChatToolCall> _toolCalls = [];
        private TimeSpan? _firstTokenAfter;
        private ServedBy? _servedBy;
        private int _fallbacks;
        private string? _finishReason;

        public long StartedAt { get; } = clock.GetTimestamp();

        public bool AnyCall => calls.AnyMade;

        /// <summary>The deployment that said last that it is asked too fast, as those are named who wait for it; null when the last one failed otherwise.</summary>
        public string? RefusedByPace =>
            calls.All is [.., { Failure: ProviderFailure.RateLimited } last] ? $"{last.Provider}/{last.Model}:{ICallPace.Limit}" : null;

        public bool HasText => _text.Length > 0;

        public string Text => _text.ToString();

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
                    (_servedBy, _finishReason) = (finished.ServedBy, finished.FinishReason);
                    break;
            }
        }

        public AttemptEnd Finish() =>
            _finishReason switch
            {
                "length" => AttemptEnd.Partial(Text, "The answer reached the limit of output tokens and was cut off."),
                "content_filter" => AttemptEnd.Partial(Text, "The provider's content filter cut the answer off."),
                _ => AttemptEnd.Succeeded(Text),
            } with
            {
                ToolCalls = _toolCalls,
                // Some servers say stop, or nothing, where they mean that they wait for tools.
                FinishReason = _toolCalls.Count > 0 && _finishReason is not ("length" or "content_filter") ? "tool_calls" : _finishReason,
            };

        /// <summary>Adds what is known of the calls, also of one that was cut off in the middle.</summary>
        public AttemptEnd Describe(AttemptEnd end)
        {
            var last = calls.All.Count > 0 ? calls.All[^1] : null;
            return end with
            {
                ServedBy = _servedBy is null ? null : _servedBy with { ModelVersion = _servedBy.ModelVersion ?? last?.ModelVersion },
                Usage = CallTraces.UsageOf(calls.All),
                FirstTokenAfter = _firstTokenAfter,
                Calls = [.. calls.All.Select(CallTraces.Of)],
            };
        }
    }
}
