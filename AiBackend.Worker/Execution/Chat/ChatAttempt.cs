using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Cache;
using AiBackend.Core.Contracts;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Queue.Allocation;
using AiBackend.Worker.Execution.Tools;
using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution.Chat;

/// <summary>One try at a chat job: streams the model's text into the job's log and says how it ended.</summary>
internal sealed class ChatAttempt(
    RoutedChat chat,
    SharedAnswers answers,
    ModelChoice models,
    OutputContracts contracts,
    Judge judge,
    Retrieval retrieval,
    ProviderCatalog catalog,
    IOptions<ReviewOptions> reviews,
    ReviewRemarks remarks,
    JobTools tools,
    TimeProvider clock,
    Random random,
    ILogger<ChatAttempt> logger
)
{
    /// <summary>Why a turn follows, for readers of the log.</summary>
    private const string ToolRoundReason = "tool_calls";

    private static readonly TimeSpan FollowFor = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LongestPatience = TimeSpan.FromDays(30);

    public async Task<AttemptEnd> RunAsync(RunningJob running, CancellationToken graceOver)
    {
        var job = running.Job;
        using var deadline = new CancellationTokenSource(PatienceUntil(job.TimeLeft), clock);

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(running.Stop, graceOver, deadline.Token);
        var calls = new ChatCalls(clock, await CallerOfAsync(job), job.IsRetry);
        var answer = new ChatAnswer(clock, calls);
        var terms = JobTerms.Read(job.Terms);
        try
        {
            switch (await answers.EnterAsync(job, stop.Token))
            {
                case FlightEntry.Hit hit:
                    return TakeFromAnother(running, hit, terms);
                case FlightEntry.Follows(var leader) when job.Attempt < RetryPolicy.MostAttempts:
                    return Follow(leader);
            }

            return answer.Describe(await TalkAsync(running, terms, answer, calls, stop.Token));
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

    /// <summary>Asks, and asks again as long as an answer leads to another question.</summary>
    private async Task<AttemptEnd> TalkAsync(RunningJob running, JobTerms terms, ChatAnswer answer, ChatCalls calls, CancellationToken stop)
    {
        var rounds = terms.Tools is { } offered ? await tools.OpenAsync(running, offered, stop) : null;
        var (messages, options) = ChatInputs.Read(running.Job.Input, name => rounds?.Find(name));
        var turn = new ChatTurn(running.Job.Model, messages, options);
        if (terms.Retrieve is { } query)
        {
            turn = await retrieval.AddAsync(turn, query, running, stop);
        }

        if (rounds is not null)
        {
            if (await rounds.ResumeAsync(stop) is { } waits)
            {
                return waits;
            }

            turn = turn.After(rounds.MessagesAfter(0));
        }

        if (terms.Contract is not null && running.Job.Attempt > 1)
        {
            turn = await remarks.AddToAsync(turn, running.Job, stop);
        }

        var contracted = terms.Contract is { } contract
            ? new ContractedAnswer(contract, turn, contracts, judge, catalog, reviews.Value)
            : null;
        answer.Contract = contracted;
        turn = contracted?.First ?? turn;
        while (true)
        {
            await foreach (var progress in chat.StreamAsync(turn.Model, turn.Messages, turn.Options, calls, stop))
            {
                answer.Apply(progress, running);
                // What is not read here waits at the provider and not in our memory.
                await running.WaitForRoomAsync(stop);
            }

            FaultPoints.Hit(FaultPoint.K11, running.Job.Model);
            var isRound = rounds?.Runs(answer.ToolCalls) == true;
            if (!isRound && (contracted is null || answer.AsksForTools))
            {
                return answer.Finish();
            }

            var (end, next) = isRound
                ? await RunToolsAsync(rounds!, turn, answer, CallTraces.UsageOf(calls.All), stop)
                : await contracted!.AfterAsync(turn, answer, running, calls, stop);
            if (end is not null)
            {
                return end;
            }

            turn = next!;
            answer.Begin(running, turn.Reason);
        }
    }

    /// <summary>Runs the tools that a turn asks for.</summary>
    private static async Task<AfterTurn> RunToolsAsync(
        ToolRounds rounds,
        ChatTurn turn,
        ChatAnswer answer,
        JobUsage? usage,
        CancellationToken stop
    )
    {
        var last = rounds.Last;
        if (await rounds.RunAsync(answer.ToolCalls, answer.Text, usage, stop) is { } ended)
        {
            return new(ended, null);
        }

        answer.Contract?.Add(rounds.MessagesAfter(last));
        return new(null, turn.After(rounds.MessagesAfter(last)) with { Reason = ToolRoundReason });
    }

    /// <summary>The answer of an equal job: in the log like any other, without a call and without cost.</summary>
    private static AttemptEnd TakeFromAnother(RunningJob running, FlightEntry.Hit hit, JobTerms terms)
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
            // Whose answer it was had the same contract, and kept it. A model that asks for tools has not answered yet.
            Checks =
                terms.Contract is null || hit.ToolCalls.Count > 0
                    ? []
                    :
                    [
                        new ContractCheck
                        {
                            Verdict = Verdicts.Valid,
                            Provider = hit.Provider,
                            Model = hit.Model,
                        },
                    ],
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

    private static AttemptEnd AfterDeadline(ChatAnswer answer) =>
        // A part of what has to keep a contract is none that does.
        answer is { HasText: true, Contract: null }
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

    private AttemptEnd AfterFailure(ClaimedJob job, Exception exception, ChatAnswer answer)
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
}
