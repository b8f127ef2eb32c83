namespace AiBackend.Bench.Reporting;

/// <summary>Percentiles of samples in milliseconds.</summary>
internal static class Percentiles
{
    public static double At(this IReadOnlyList<double> sorted, double share) =>
        sorted.Count == 0 ? double.NaN : sorted[(int)Math.Min(sorted.Count - 1, Math.Floor(sorted.Count * share))];

    /// <summary>p50 and p99 of some samples as measurements.</summary>
    public static IEnumerable<Measurement> Describe(this IEnumerable<double> samples, string system, string name)
    {
        var sorted = samples.Order().ToList();
        yield return new Measurement(system, name + " p50", "ms", sorted.At(0.50));
        yield return new Measurement(system, name + " p99", "ms", sorted.At(0.99));
    }
}
