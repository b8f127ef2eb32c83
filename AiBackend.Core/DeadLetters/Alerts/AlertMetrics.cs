using System.Diagnostics.Metrics;
using AiBackend.Core.Alerts;
using AiBackend.Core.Jobs.Telemetry;

namespace AiBackend.Core.DeadLetters.Alerts;

/// <summary>Alerts as measurements. One process reports those that are active, the leading worker.</summary>
public sealed class AlertMetrics
{
    private const string RuleTag = "aibackend.alert.rule";

    private readonly Counter<long> _raised;
    private IReadOnlyList<(string Rule, long Count)>? _active;

    /// <summary>Creates the instruments; nothing is active before the first reading.</summary>
    public AlertMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(JobTelemetryNames.Source);
        _raised = meter.CreateCounter<long>("aibackend.alerts.raised", "{alert}", "Alerts raised by this process.");
        meter.CreateObservableGauge("aibackend.alerts.active", Active, "{alert}", "Alerts that are not over.");
    }

    /// <summary>Reports nothing active any more: another process does.</summary>
    public void Clear() => Volatile.Write(ref _active, null);

    internal void Raised(string rule) => _raised.Add(1, new KeyValuePair<string, object?>(RuleTag, rule));

    internal void SetActive(IReadOnlyList<(string Rule, long Count)> active) => Volatile.Write(ref _active, active);

    private IEnumerable<Measurement<long>> Active() =>
        Volatile.Read(ref _active) is { } active
            ? AlertRules.All.Select(rule => new Measurement<long>(
                active.FirstOrDefault(alert => alert.Rule == rule).Count,
                new KeyValuePair<string, object?>(RuleTag, rule)
            ))
            : [];
}
