using static System.FormattableString;

namespace AiBackend.Core.Jobs;

/// <summary>How the waits between a job's tries grow.</summary>
/// <param name="Initial">The longest that the first can be.</param>
/// <param name="Max">The longest that any can be.</param>
/// <param name="Factor">How much longer each can be than the one before.</param>
public sealed record Backoff(TimeSpan Initial, TimeSpan Max, double Factor)
{
    private const double LeastSeconds = 0.1;
    private const double LongestFirst = 3600;
    private const double Longest = 86400;
    private const double LargestFactor = 10;

    /// <summary>Where nobody says. 4 s: five attempts then span up to a minute, longer than most blips of a provider.</summary>
    public static Backoff Usual { get; } = new(TimeSpan.FromSeconds(4), TimeSpan.FromMinutes(5), 2);

    /// <summary>What somebody said, with what is usual for the rest.</summary>
    public static Backoff Of(double? initialSeconds, double? maxSeconds, double? factor)
    {
        var initial = initialSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : Usual.Initial;
        var max =
            maxSeconds is { } most ? TimeSpan.FromSeconds(most)
            : initial > Usual.Max ? initial
            : Usual.Max;
        return new(initial, max, factor ?? Usual.Factor);
    }

    /// <summary>Says what of it is out of bounds.</summary>
    /// <param name="initialSeconds">Null is usual.</param>
    /// <param name="maxSeconds">Null is usual.</param>
    /// <param name="factor">Null is usual.</param>
    /// <param name="report">Takes the member of each fault, and what is wrong there.</param>
    public static void Check(double? initialSeconds, double? maxSeconds, double? factor, Action<string, string> report)
    {
        if (initialSeconds is not (null or (>= LeastSeconds and <= LongestFirst)))
        {
            report("initial_seconds", Invariant($"is {initialSeconds}; it must be from {LeastSeconds} to {LongestFirst}."));
        }

        if (maxSeconds is not (null or (>= LeastSeconds and <= Longest)))
        {
            report("max_seconds", Invariant($"is {maxSeconds}; it must be from {LeastSeconds} to {Longest}."));
        }
        else if (maxSeconds < (initialSeconds ?? Usual.Initial.TotalSeconds))
        {
            report(
                "max_seconds",
                Invariant(
                    $"is {maxSeconds}, which is less than initial_seconds, {initialSeconds ?? Usual.Initial.TotalSeconds}. Send both, the larger one here."
                )
            );
        }

        if (factor is not (null or (>= 1 and <= LargestFactor)))
        {
            report("factor", Invariant($"is {factor}; it must be from 1 to {LargestFactor}."));
        }
    }

    /// <param name="failures">Failures so far, at least 1.</param>
    /// <returns>The longest that the wait after them can be.</returns>
    public TimeSpan BoundAfter(int failures) =>
        TimeSpan.FromSeconds(Math.Min(Max.TotalSeconds, Initial.TotalSeconds * Math.Pow(Factor, Math.Min(failures - 1, 30))));
}
