namespace AiBackend.Core.Jobs;

/// <summary>When a failed job may start again: exponential backoff with full jitter.</summary>
/// <remarks>
/// Full jitter (a uniform pick from zero to the bound) spreads callers that failed together best; see "Exponential Backoff
/// and Jitter" in the AWS Architecture Blog.
/// </remarks>
public static class RetryPolicy
{
    /// <summary>Bound of the spread of jobs that wait until a provider may be asked. 1 minute.</summary>
    public static readonly TimeSpan LookCap = TimeSpan.FromMinutes(1);

    /// <summary>Attempts of one job, also of those that do not count: 30 000. Waiting for a limit takes weeks to get there; no number may run over.</summary>
    public const int MostAttempts = 30_000;

    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1);

    /// <summary>After a failure of a job that may say itself how long it waits.</summary>
    /// <param name="job">The job, in the attempt that failed.</param>
    /// <param name="retryAfter">The provider's own wish.</param>
    /// <param name="timeLeft">Time until the deadline; null when there is none.</param>
    /// <param name="random">A number from 0 (inclusive) to 1 (exclusive).</param>
    /// <returns>As below.</returns>
    public static TimeSpan? NextDelay(ClaimedJob job, TimeSpan? retryAfter, TimeSpan? timeLeft, double random) =>
        JobTerms.Read(job.Terms).Backoff is { } own
            // Whoever says how long it is after the second failure means failures, and no attempts in which nobody was asked.
            ? NextDelay(job.CountedAttempts, retryAfter, timeLeft, random, own)
            : NextDelay(job.Attempt, retryAfter, timeLeft, random);

    /// <param name="failures">Counted attempts so far, at least 1.</param>
    /// <param name="retryAfter">The provider's own wish: a floor, because asking earlier is asking for the same answer.</param>
    /// <param name="timeLeft">Time until the deadline; null when there is none.</param>
    /// <param name="random">A number from 0 (inclusive) to 1 (exclusive).</param>
    /// <param name="own">How long the job says; null is usual.</param>
    /// <returns>The delay, or null when the deadline would pass before the next attempt could begin.</returns>
    public static TimeSpan? NextDelay(int failures, TimeSpan? retryAfter, TimeSpan? timeLeft, double random, Backoff? own = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(failures, 1);
        // Whoever says a time has a reason for it: at least half of it passes, and half is left to spread.
        var delay = (own ?? Backoff.Usual).BoundAfter(failures) * (own is null ? random : (1 + random) / 2);
        if (retryAfter is { } floor && floor > delay)
        {
            // The jitter stays on top: everybody was told the same Retry-After.
            delay = floor + TimeSpan.FromSeconds(random);
        }

        return delay >= timeLeft ? null : delay;
    }

    /// <summary>When a job looks again whether a provider may be asked: soon enough to notice that it is well, and spread.</summary>
    /// <param name="after">When it may be asked at the earliest; zero when that is not known.</param>
    /// <param name="attempts">Attempts so far, at least 1.</param>
    /// <param name="random">A number from 0 (inclusive) to 1 (exclusive).</param>
    public static TimeSpan NextLook(TimeSpan after, int attempts, double random) =>
        after + Least + (Min(LookCap, Backoff.Usual.Initial * Math.Pow(2, Math.Min(attempts, 10))) - Least) * random;

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
