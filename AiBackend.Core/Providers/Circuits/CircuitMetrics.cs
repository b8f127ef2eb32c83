using System.Diagnostics.Metrics;
using Names = AiBackend.Core.Providers.Telemetry.ProviderTelemetryNames;

namespace AiBackend.Core.Providers.Circuits;

/// <summary>States of the breakers, and how often they change.</summary>
internal sealed class CircuitMetrics
{
    private readonly Counter<long> _changes;

    public CircuitMetrics(Meter meter, Func<IEnumerable<(string Provider, string Model, CircuitState State)>> read)
    {
        _changes = meter.CreateCounter<long>(
            "aibackend.provider.circuit_changes",
            unit: "{change}",
            description: "Changes of a deployment's circuit breaker, by the state that it went to."
        );
        meter.CreateObservableGauge(
            "aibackend.provider.circuit",
            () => read().Select(each => new Measurement<int>((int)each.State, TagsOf(each.Provider, each.Model))),
            unit: "{state}",
            description: "State of a deployment's circuit breaker in this process: 0 closed, 1 half-open, 2 open."
        );
    }

    public void Changed(string provider, string model, CircuitState state) =>
        _changes.Add(1, [.. TagsOf(provider, model), new("aibackend.provider.circuit_state", WordOf(state))]);

    private static KeyValuePair<string, object?>[] TagsOf(string provider, string model) =>
        [new(Names.Provider, provider), new(Names.RequestModel, model)];

    private static string WordOf(CircuitState state) =>
        state switch
        {
            CircuitState.Closed => "closed",
            CircuitState.HalfOpen => "half_open",
            _ => "open",
        };
}
