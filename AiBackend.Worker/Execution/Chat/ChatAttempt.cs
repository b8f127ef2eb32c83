using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Cache;
using AiBackend.Core.Contracts;
using AiBackend.Core.Database;
using AiBackend.Core.Faults;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Admission;
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
    TurnContext context,
    ProviderCatalog catalog,
    IOptions<ReviewOptions> reviews,
    ReviewRemarks remarks,
    JobTools tools,
    ChatEnds ends,
    JobMetrics metrics,
    TimeProvider clock,
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
        var terms = JobTerms.Read(job.Terms);
        var calls = new ChatCalls(clock, await CallerOfAsync(job, terms), job.IsRetry);
        var answer = new ChatAnswer(clock, calls);
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
            return answer.Describe(ChatEnds.AfterDeadline(answer));
        }
        catch (Exception) when (graceOver.IsCancellationRequested)
        {
            return answer.Describe(AttemptEnd.GivenBack());
        }
        catch (Exception failure)
        {
            return answer.Describe(ends.AfterFailure(job, failure, answer));
        }
    }

    /// <summary>Asks, and asks again as long as an answer leads to another question.</summary>
    private async Task<AttemptEnd> TalkAsync(RunningJob running, JobTerms terms, ChatAnswer answer, ChatCalls calls, CancellationToken stop)
    {
        var rounds = terms.Tools is { } offered ? await tools.OpenAsync(running, offered, null, stop) : null;
        var (messages, options) = ChatInputs.Read(running.Job.Input, name => rounds?.Find(name));
        var turn = ChatTurn.Begin(running.Job.Model, messages, options);
        if (rounds is not null)
        {
            if (await rounds.ResumeAsync(stop) is { } waits)
            {
                return waits;
            }

            turn = turn.After(rounds.MessagesAfter(0));
        }

        var (refused, informed) = await LookUpAsync(turn, terms, running, answer, stop);
        if (informed is null)
        {
            return refused!;
        }

        turn = informed;
        var contracted = terms.Contract is { } contract
            ? new ContractedAnswer(contract, turn, contracts, judge, catalog, reviews.Value)
            : null;
        answer.Contract = contracted;
        var table = terms.Artifact is { Type: ArtifactTypes.Csv } artifact ? new CsvAnswer(artifact) : null;
        turn = contracted?.First ?? turn;
        while (true)
        {
            turn = await AskAsync(turn, answer, running, calls, stop);
            FaultPoints.Hit(FaultPoint.K11, running.Job.Model);
            var isRound = rounds?.Runs(answer.ToolCalls) == true;
            var (end, next) =
                isRound ? await RunToolsAsync(rounds!, turn, answer, CallTraces.UsageOf(calls.All), stop)
                : answer.AsksForTools ? new(answer.Finish(), null)
                : contracted is not null ? await contracted.AfterAsync(turn, answer, running, calls, stop)
                : table?.After(turn, answer, running) ?? new(answer.Finish(), null);
            if (end is not null)
            {
                return end;
            }

            turn = next!;
            answer.Begin(running, turn.Reason);
        }
    }

    /// <summary>Asks, and asks again with less of the conversation when the model has no room for all of it and the route no longer one.</summary>
    /// <returns>What was answered.</returns>
    private async Task<ChatTurn> AskAsync(ChatTurn turn, ChatAnswer answer, RunningJob running, ChatCalls calls, CancellationToken stop)
    {
        while (true)
        {
            try
            {
                await using var updates = chat.StreamAsync(turn.Model, turn.Messages, turn.Options, calls, stop).GetAsyncEnumerator(stop);
                while (await NextAsync(updates, running))
                {
                    answer.Apply(updates.Current, running);
                    // What is not read here waits at the provider and not in our memory.
                    await running.WaitForRoomAsync(stop);
                }

                return turn;
            }
            catch (Exception failure) when (HistoryCuts.Help(failure, turn, answer) && !stop.IsCancellationRequested)
            {
                metrics.ContextCut(turn.Model);
                turn = HistoryCuts.Cut(turn, answer, running);
            }
        }
    }

    private static ValueTask<bool> NextAsync(IAsyncEnumerator<ChatProgress> updates, RunningJob running)
    {
        var next = updates.MoveNextAsync();
        if (!next.IsCompleted)
        {
            running.ShowFirstText();
        }

        return next;
    }

    /// <summary>Adds what Postgres knows: passages, what was said before, and what reviewers said.</summary>
    /// <returns>The attempt's end when the model is not asked, as when Postgres did not answer.</returns>
    private async Task<AfterTurn> LookUpAsync(ChatTurn turn, JobTerms terms, RunningJob running, ChatAnswer answer, CancellationToken stop)
    {
        try
        {
            var given = await context.AddAsync(turn, terms, running, answer, stop);
            return given.Next is { } next && terms.Contract is not null && running.Job.Attempt > 1
                ? new(null, await remarks.AddToAsync(next, running.Job, stop))
                : given;
        }
        catch (Exception failure) when (StorageFailures.Of(failure) is not null && !stop.IsCancellationRequested)
        {
            logger.LookUpFailed(failure, running.Job.Lease.JobId, running.Job.Attempt);
            return new(ends.AfterOutage(running.Job), null);
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

        answer.KeepRound();
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

    private async ValueTask<ChatCaller> CallerOfAsync(ClaimedJob job, JobTerms terms) =>
        new(job.Lease.JobId, job.Lease.Epoch, (int)job.Priority, job.TurnAt, job.TimeLeft)
        {
            AcceptedAt = clock.GetUtcNow() - job.Age,
            IsMoved = ProviderCatalog.IsAuto(job.Model) && await models.IsMovedAsync(job.Lease.JobId),
            Payer = new(job.TenantId, job.KeyId, job.Feature, job.EndUser, job.MaxCostUsd)
            {
                Run = terms.Run is { } run ? new(run.Id, run.MaxCostUsd, run.MaxTokens) : null,
            },
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
}
