using System.Collections.Concurrent;
using AiBackend.Core.Providers.Telemetry;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Providers.Circuits;

/// <summary>The breaker of every deployment that this process has asked.</summary>
internal sealed class CircuitBreakers
{
    private readonly ConcurrentDictionary<(string Provider, string Model), CircuitBreaker> _breakers = new();
    private readonly Func<(string Provider, string Model), CircuitBreaker> _create;

    public CircuitBreakers(
        IOptions<CircuitOptions> options,
        ProviderMetrics metrics,
        TimeProvider clock,
        Random random,
        ILogger<CircuitBreakers> logger
    )
    {
        var measured = new CircuitMetrics(
            metrics.Meter,
            () => _breakers.Select(each => (each.Key.Provider, each.Key.Model, each.Value.State))
        );
        _create = deployment => new CircuitBreaker(
            options.Value,
            clock,
            random,
            change =>
            {
                measured.Changed(deployment.Provider, deployment.Model, change.State);
                Log(logger, deployment.Provider, deployment.Model, change);
            }
        );
    }

    /// <inheritdoc cref="CircuitBreaker.TryPass"/>
    public CircuitPass? TryPass(ChatDeployment deployment, out TimeSpan wait) =>
        _breakers.GetOrAdd((deployment.Provider, deployment.Model), _create).TryPass(out wait);

    private static void Log(ILogger logger, string provider, string model, CircuitChange change)
    {
        switch (change.State)
        {
            case CircuitState.Open:
                logger.CircuitOpened(provider, model, change.Outages, change.Calls, change.OpenFor.TotalSeconds);
                break;
            case CircuitState.HalfOpen:
                logger.CircuitProbed(provider, model);
                break;
            default:
                logger.CircuitClosed(provider, model);
                break;
        }
    }
}
