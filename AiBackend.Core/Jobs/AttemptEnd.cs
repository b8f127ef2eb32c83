using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Conversations;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs.Waits;

namespace AiBackend.Core.Jobs;

/// <summary>How an attempt ended and what is to be recorded of it.</summary>
public sealed record AttemptEnd
{
    private AttemptEnd(JobTrigger trigger, AttemptOutcome outcome)
    {
        Status =
            JobStateMachine.Next(JobStatus.Processing, trigger)
            ?? throw new ArgumentOutOfRangeException(nameof(trigger), trigger, "No edge leaves processing by this trigger.");
        Outcome = outcome;
    }

    /// <summary>Where the job goes.</summary>
    public JobStatus Status { get; }

    /// <summary>What the attempt's row says.</summary>
    public AttemptOutcome Outcome { get; }

    /// <summary>The output to store, or to propose; null is none.</summary>
    public string? Text { get; private init; }

    /// <summary>Tools that the model asks for; part of the output.</summary>
    public IReadOnlyList<ChatToolCall> ToolCalls { get; init; } = [];

    /// <summary>Why the answer is over, in OpenAI's words where there is one; null when nobody said.</summary>
    public string? FinishReason { get; init; }

    /// <summary>What a partial result could not deliver, and why.</summary>
    public IReadOnlyList<string> Missing { get; private init; } = [];

    /// <summary>Why it failed; null when it did not.</summary>
    public JobError? Error { get; private init; }

    /// <summary>Wait before the job may start again; null unless it is retrying.</summary>
    public TimeSpan? RetryDelay { get; private init; }

    /// <summary>Why streamed text no longer counts, as a code; null keeps it.</summary>
    public string? ResetReason { get; private init; }

    /// <summary>What the job waits for from now on; null when it does not.</summary>
    public JobQuestion? Question { get; private init; }

    /// <summary>Whether it does not count as a failed try, as the statement that records it decides too.</summary>
    public bool IsExcused => Outcome == AttemptOutcome.Interrupted || (Status == JobStatus.Retrying && Error is { Class: "rate_limited" });

    /// <summary>Who was asked; null when nobody was.</summary>
    public ServedBy? ServedBy { get; init; }

    /// <summary>The provider calls it made; empty when it made none.</summary>
    public IReadOnlyList<CallTrace> Calls { get; init; } = [];

    /// <summary>What was found when its answers were laid beside their contract, in order; empty without a contract.</summary>
    public IReadOnlyList<ContractCheck> Checks { get; init; } = [];

    /// <summary>What its model was given of a conversation, and of passages; null without either.</summary>
    public JobContext? Context { get; init; }

    /// <summary>Why the job waits for its next attempt; null unless it is retrying.</summary>
    public string? WaitingReason { get; private init; }

    /// <summary>What the caller is told of that wait besides; null is nothing.</summary>
    public QueuePlace? Place { get; private init; }

    /// <summary>Whether the attempt did something for the job, and was not only told to wait.</summary>
    /// <remarks>The statement that records it decides the same.</remarks>
    public bool HasBegun =>
        Status != JobStatus.Retrying
        || !(WaitingReasons.IsLimit(WaitingReason) || (Outcome == AttemptOutcome.Interrupted && WaitingReason != WaitingReasons.Steps));

    /// <summary>What it used; null when unknown.</summary>
    public JobUsage? Usage { get; init; }

    /// <summary>Claim until first text; null when there was none.</summary>
    public TimeSpan? FirstTokenAfter { get; init; }

    /// <summary>The whole result.</summary>
    /// <param name="text">Null for work that has no text.</param>
    public static AttemptEnd Succeeded(string? text) => new(JobTrigger.Succeed, AttemptOutcome.Succeeded) { Text = text };

    /// <summary>A useful part of the result.</summary>
    public static AttemptEnd Partial(string text, params IReadOnlyList<string> missing) =>
        new(JobTrigger.SucceedPartially, AttemptOutcome.Partial) { Text = text, Missing = missing };

    /// <summary>Another attempt follows after <paramref name="delay"/>.</summary>
    /// <param name="error">Why this one failed.</param>
    /// <param name="delay">Until the next one.</param>
    /// <param name="waitingReason">What it waits for; null is that time alone.</param>
    public static AttemptEnd FailedForNow(JobError error, TimeSpan delay, string? waitingReason = null) =>
        new(JobTrigger.FailForNow, AttemptOutcome.Failed)
        {
            Error = error,
            RetryDelay = delay,
            WaitingReason = waitingReason ?? WaitingReasons.Backoff,
            ResetReason = "provider_failure",
        };

    /// <summary>No provider may be asked now: the job waits without having used up a try, until its deadline.</summary>
    /// <param name="error">What it waits for, for people.</param>
    /// <param name="waitingReason">The same, as a code.</param>
    /// <param name="delay">Until the next look.</param>
    /// <param name="place">What is known of the line there; null is nothing.</param>
    public static AttemptEnd WaitsForProvider(JobError error, string waitingReason, TimeSpan delay, QueuePlace? place = null) =>
        new(JobTrigger.FailForNow, AttemptOutcome.Interrupted)
        {
            Error = error,
            RetryDelay = delay,
            WaitingReason = waitingReason,
            Place = place,
        };

    /// <summary>No other attempt follows.</summary>
    public static AttemptEnd FailedForGood(JobError error) =>
        new(JobTrigger.FailForGood, AttemptOutcome.Failed) { Error = error, ResetReason = "provider_failure" };

    /// <summary>Ended by a caller or operator; what was streamed stays readable.</summary>
    /// <param name="text">What was streamed; null when nothing was.</param>
    public static AttemptEnd Cancelled(string? text) => new(JobTrigger.Cancel, AttemptOutcome.Cancelled) { Text = text };

    /// <summary>The job waits for a tool's result, without a lease or a slot; the next attempt finds it and writes the text anew.</summary>
    public static AttemptEnd AskedForTool(JobQuestion question)
    {
        if (question.OnTimeout is WaitDefault.Accept or WaitDefault.Reject)
        {
            throw new ArgumentException(
                "A tool proposes no result that could be accepted or refused when it does not answer.",
                nameof(question)
            );
        }

        return new(JobTrigger.AskForTool, AttemptOutcome.Asked) { Question = question, ResetReason = JobStatuses.WaitingForTool };
    }

    /// <summary>The job waits for a person's decision about a result, without a lease or a slot.</summary>
    /// <param name="question">What the person must know.</param>
    /// <param name="proposal">The job's result if it is accepted; readers of the log see it as the attempt's text.</param>
    public static AttemptEnd AskedForReview(JobQuestion question, string proposal) =>
        new(JobTrigger.AskForReview, AttemptOutcome.Asked) { Question = question, Text = proposal };

    /// <summary>Given back by a draining worker: goes to the queue at once and does not count as a try.</summary>
    public static AttemptEnd GivenBack() => new(JobTrigger.GiveBack, AttemptOutcome.Interrupted) { ResetReason = "worker_draining" };
}
