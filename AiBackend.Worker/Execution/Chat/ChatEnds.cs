using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Providers.Failures;
using AiBackend.Core.Queue.Outlook;

namespace AiBackend.Worker.Execution.Chat;

/// <summary>How a chat attempt ends that has no answer: for now or for good, and what the job waits for then.</summary>
internal sealed class ChatEnds(LimitOutlook limits, TimeProvider clock, Random random, ILogger<ChatEnds> logger)
{
    /// <summary>The job's deadline passed while it was asked.</summary>
    public static AttemptEnd AfterDeadline(ChatAnswer answer)
    {
        // A part of what has to keep a contract is none that does.
        if (answer is { HasText: true, Contract: null })
        {
            return AttemptEnd.Partial(answer.Text, "The answer was cut off because the job's deadline passed.");
        }

        var missed =
            !answer.HasBegun ? "the model began to answer"
            : answer.Contract is null ? "the model gave its answer"
            : "there was a whole answer that keeps its contract";
        return AttemptEnd.FailedForGood(
            new(
                "deadline_exceeded",
                "transient",
                $"The deadline passed before {missed}. Submit the job again with a later deadline.",
                Retryable: true
            )
        );
    }

    /// <summary>Nobody was asked and no try is used up: the job waits without a slot until Postgres is well.</summary>
    public AttemptEnd AfterOutage(ClaimedJob job)
    {
        var error = new JobError(
            "storage_unavailable",
            "transient",
            "The database did not answer when something was looked up for the job; it tries again by itself.",
            Retryable: true
        );
        return job.Attempt < RetryPolicy.MostAttempts
            ? AttemptEnd.WaitsForProvider(
                error,
                WaitingReasons.Storage,
                RetryPolicy.NextLook(TimeSpan.Zero, job.Attempt, random.NextDouble())
            )
            : AttemptEnd.FailedForGood(error);
    }

    private AttemptEnd WaitsForLimit(ClaimedJob job, JobError error, string reason, TimeSpan turn) =>
        AttemptEnd.WaitsForProvider(error, reason, turn, limits.Describe(job.TenantId, job.Priority, reason));

    private static JobError ErrorOf(ProviderFailure failure) => new(failure.Code, failure.Class, failure.Message, failure.Retryable);

    private static string ReasonOf(ProviderFailure.NotAsked refusal) =>
        refusal.Code switch
        {
            ProviderFailureCodes.Held => $"{WaitingReasons.Paused}:provider/{refusal.Provider}",
            ProviderFailureCodes.CircuitOpen => $"{WaitingReasons.ProviderDown}:{refusal.Provider}",
            _ => $"{WaitingReasons.RetryBudget}:{refusal.Provider}",
        };

    /// <summary>A provider failed, or none could be asked.</summary>
    public AttemptEnd AfterFailure(ClaimedJob job, Exception exception, ChatAnswer answer)
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
                    ? WaitsForLimit(job, error, $"{WaitingReasons.RateLimit}:{limit}", refusal.After)
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
        return mayRetry && DelayOf(job, failure, timeLeft) is { } delay
            ? AttemptEnd.FailedForNow(error, delay, answer.RefusedByPace is { } paced ? $"{WaitingReasons.RateLimit}:{paced}" : null)
            : AttemptEnd.FailedForGood(error);
    }

    // A limit of the provider's is no failure of the job, which may say how long it waits after those.
    private TimeSpan? DelayOf(ClaimedJob job, ProviderFailure failure, TimeSpan? timeLeft) =>
        failure is ProviderFailure.RateLimited
            ? RetryPolicy.NextDelay(job.Attempt, failure.RetryAfter, timeLeft, random.NextDouble())
            : RetryPolicy.NextDelay(job, failure.RetryAfter, timeLeft, random.NextDouble());
}
