namespace AiBackend.Core.Jobs;

/// <summary>When a failed job may start again: exponential backoff with full jitter.</summary>
/// <remarks>
/// Full jitter (a uniform pick from zero to the bound) spreads callers that failed together best; see "Exponential Backoff
/// and Jitter" in the AWS Architecture Blog.
/// </remarks>
public static class RetryPolicy
{
    /// <summary>Bound of the first delay. 4 s: five attempts then span up to a minute, longer than most blips of a provider.</summary>
    public static readonly TimeSpan Base = TimeSpan.FromSeconds(4);

    /// <summary>Bound of every delay. 5 minutes.</summary>
    public static readonly TimeSpan Cap = TimeSpan.FromMinutes(5);

    /// <summary>Bound of the spread of jobs that wait until a provider may be asked. 1 minute.</summary>
    public static readonly TimeSpan LookCap = TimeSpan.FromMinutes(1);

    /// <summary>Attempts of one job, also of those that do not count: 30 000. Waiting for a limit takes weeks to get there; no number may run over.</summary>
    public const int MostAttempts = 30_000;

    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1);

    /// <param name="failures">Counted attempts so far, at least 1.</param>
    /// <param name="retryAfter">The provider's own wish: a floor, because asking earlier is asking for the same answer.</param>
    /// <param name="timeLeft">Time until the deadline; null when there is none.</param>
    /// <param name="random">A number from 0 (inclusive) to 1 (exclusive).</param>
    /// <returns>The delay, or null when the deadline would pass before the next attempt could begin.</returns>
    public static TimeSpan? NextDelay(int failures, TimeSpan? retryAfter, TimeSpan? timeLeft, double random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(failures, 1);
        var bound = Math.Min(Cap.TotalSeconds, Base.TotalSeconds * Math.Pow(2, Math.Min(failures - 1, 30)));
        var delay = TimeSpan.FromSeconds(bound * random);
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
        after + Least + (Min(LookCap, Base * Math.Pow(2, Math.Min(attempts, 10))) - Least) * random;

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
