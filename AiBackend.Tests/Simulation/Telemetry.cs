using System.Diagnostics.Metrics;
using AiBackend.Core.Jobs.Telemetry;
using AiBackend.Core.Providers.Telemetry;

namespace AiBackend.Tests.Simulation;

/// <summary>Instruments that nobody listens to.</summary>
internal sealed class Telemetry : IMeterFactory
{
    private readonly List<Meter> _meters = [];

    /// <summary>Holds nothing of a run, so one does for all.</summary>
    public static JobMetrics Jobs { get; } = new(new Telemetry());

    /// <summary>Of one run: its gauges hold on to what they observe.</summary>
    public ProviderMetrics Providers => field ??= new ProviderMetrics(this);

    public Meter Create(MeterOptions options)
    {
        var meter = new Meter(options);
        _meters.Add(meter);
        return meter;
    }

    public void Dispose() => _meters.ForEach(meter => meter.Dispose());
}
