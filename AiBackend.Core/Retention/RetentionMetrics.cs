using System.Diagnostics.Metrics;
using AiBackend.Core.Jobs.Telemetry;

namespace AiBackend.Core.Retention;

/// <summary>What age takes away that somebody may have wanted.</summary>
public sealed class RetentionMetrics
{
    private readonly Counter<long> _expired;

    /// <summary>Creates the instrument.</summary>
    public RetentionMetrics(IMeterFactory meters) =>
        _expired = meters
            .Create(JobTelemetryNames.Source)
            .CreateCounter<long>(
                "aibackend.job.dead_letters.expired",
                "{job}",
                "Dead letters that were deleted with their job before anybody replayed or discarded them."
            );

    internal void LettersExpired(long count) => _expired.Add(count);
}
