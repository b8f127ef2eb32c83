using System.Diagnostics.Metrics;
using AiBackend.Core.Jobs.Telemetry;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Queue.Allocation;

/// <summary>The leader's <see cref="AdaptiveAllocation"/>, which says when it changes.</summary>
public sealed class AllocationWatch
{
    // Longer than a leader takes between two looks; a process that leads no more reports nothing.
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(10);

    private readonly AdaptiveAllocation _allocation;
    private readonly Counter<long> _changes;
    private readonly TimeProvider _clock;
    private readonly ILogger<AllocationWatch> _logger;
    private readonly long _startedAt;
    private TimeSpan? _observedAt;

    /// <summary>Creates the instruments.</summary>
    public AllocationWatch(IOptions<QueueOptions> options, IMeterFactory meters, TimeProvider clock, ILogger<AllocationWatch> logger)
    {
        (_allocation, _clock, _logger, _startedAt) = (new(options.Value.InteractiveGoal), clock, logger, clock.GetTimestamp());
        var meter = meters.Create(JobTelemetryNames.Source);
        _changes = meter.CreateCounter<long>(
            "aibackend.job.allocation.changes",
            "{change}",
            "Changes of the slots that batch may hold, and of the jobs that get their usual model."
        );
        meter.CreateObservableGauge(
            "aibackend.job.allocation.share",
            Shares,
            "1",
            "Share of the slots that batch may hold, and of the jobs with a free choice that get the usual model."
        );
    }

    /// <summary>The share of the slots that batch jobs may hold.</summary>
    public double BatchShare => _allocation.BatchShare;

    /// <summary>The share of the jobs with a free choice of model that get the usual one.</summary>
    public double UsualShare => _allocation.UsualShare;

    /// <summary>Takes note of what interactive jobs want; once a second or so.</summary>
    public void Observe(InteractiveDemand demand, int slots)
    {
        var (batch, usual) = (BatchShare, UsualShare);
        var now = _clock.GetElapsedTime(_startedAt);
        _allocation.Observe(now, demand, slots);
        _observedAt = now;
        if (Changed(batch, BatchShare, "batch"))
        {
            _logger.BatchShareChanged(BatchShare, demand.Wait);
        }

        if (Changed(usual, UsualShare, "usual_model"))
        {
            _logger.UsualShareChanged(UsualShare, demand.Wait);
        }
    }

    /// <inheritdoc cref="AdaptiveAllocation.MostBatchOf"/>
    public int MostBatchOf(int slots) => _allocation.MostBatchOf(slots);

    private bool Changed(double before, double now, string what)
    {
        if (before.Equals(now))
        {
            return false;
        }

        _changes.Add(1, new("of", what), new("direction", now < before ? "down" : "up"));
        return true;
    }

    private IEnumerable<Measurement<double>> Shares() =>
        _clock.GetElapsedTime(_startedAt) - _observedAt < Fresh ? [new(BatchShare, Of("batch")), new(UsualShare, Of("usual_model"))] : [];

    private static KeyValuePair<string, object?> Of(string what) => new("of", what);
}
