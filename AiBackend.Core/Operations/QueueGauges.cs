using System.Diagnostics.Metrics;
using AiBackend.ApiContracts.Operations;
using AiBackend.Core.Jobs.Telemetry;

namespace AiBackend.Core.Operations;

/// <summary>The queue as gauges. One process reports them, the leading worker: several would count everything several times.</summary>
public sealed class QueueGauges
{
    private readonly StatsReads _stats;
    private QueueReading? _latest;

    /// <summary>Creates the instruments, which report nothing before the first reading.</summary>
    public QueueGauges(StatsReads stats, IMeterFactory meters)
    {
        _stats = stats;
        var meter = meters.Create(JobTelemetryNames.Source);
        meter.CreateObservableGauge("aibackend.job.queue.depth", Depths, "{job}", "Jobs that could start now.");
        meter.CreateObservableGauge("aibackend.job.queue.oldest_age", Ages, "s", "How long the oldest of them could have started.");
        meter.CreateObservableGauge("aibackend.job.pool.depth", PoolDepths, "{job}", "Jobs of a pool that could start now.");
        meter.CreateObservableGauge("aibackend.job.pool.oldest_age", PoolAges, "s", "How long the oldest of them could have started.");
        meter.CreateObservableGauge(
            "aibackend.job.processing",
            () => One(reading => reading.Processing),
            "{job}",
            "Jobs leased by a worker."
        );
        meter.CreateObservableGauge(
            "aibackend.job.dead_letters",
            () => One(reading => reading.DeadLetters),
            "{job}",
            "Dead letters neither replayed nor discarded."
        );
        meter.CreateObservableGauge(
            "aibackend.job.dead_letters.oldest_age",
            () => One(reading => reading.OldestDeadLetterSeconds),
            "s",
            "How long the oldest of them has waited."
        );
    }

    /// <summary>Reads the queue.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken) =>
        Volatile.Write(ref _latest, await _stats.ReadQueueAsync(cancellationToken));

    /// <summary>Reports nothing any more: another process does.</summary>
    public void Clear() => Volatile.Write(ref _latest, null);

    private IEnumerable<Measurement<T>> One<T>(Func<QueueReading, T> value)
        where T : struct => Volatile.Read(ref _latest) is { } reading ? [new(value(reading))] : [];

    private IEnumerable<Measurement<long>> Depths() =>
        Volatile.Read(ref _latest)?.Queue.Select(depth => new Measurement<long>(depth.Depth, Tag(depth.Priority))) ?? [];

    private IEnumerable<Measurement<double>> Ages() =>
        Volatile.Read(ref _latest)?.Queue.Select(depth => new Measurement<double>(depth.OldestAgeSeconds ?? 0, Tag(depth.Priority))) ?? [];

    private IEnumerable<Measurement<long>> PoolDepths() =>
        Volatile.Read(ref _latest)?.Pools.Select(pool => new Measurement<long>(pool.Depth, PoolTag(pool))) ?? [];

    private IEnumerable<Measurement<double>> PoolAges() =>
        Volatile.Read(ref _latest)?.Pools.Select(pool => new Measurement<double>(pool.OldestAgeSeconds ?? 0, PoolTag(pool))) ?? [];

    private static KeyValuePair<string, object?> PoolTag(PoolDepth pool) => new(JobTelemetryNames.Pool, pool.Pool);

    private static KeyValuePair<string, object?> Tag(string priority) => new(JobTelemetryNames.Priority, priority);
}
