using System.Collections.Concurrent;
using System.Threading.Channels;
using AiBackend.Core.Providers.Telemetry;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiBackend.Core.Providers.Circuits;

/// <summary>The breaker of every deployment that this process has asked.</summary>
public sealed class CircuitBreakers
{
    /// <summary>More deployments than anybody configures.</summary>
    internal const int MostKept = 1000;

    private readonly Channel<bool> _changed = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite }
    );
    private readonly ConcurrentDictionary<(string Provider, string Model), CircuitBreaker> _breakers = new();
    private readonly ConcurrentDictionary<(string Provider, string Model), bool> _foundWell = new();
    private readonly Func<(string Provider, string Model), CircuitBreaker> _create;
    private readonly IProbeTurns _turns;

    internal CircuitBreakers(
        IOptions<CircuitOptions> options,
        IProbeTurns turns,
        ProviderMetrics metrics,
        TimeProvider clock,
        Random random,
        ILogger<CircuitBreakers> logger
    )
    {
        _turns = turns;
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
                if (change is { State: CircuitState.Closed, Calls: > 0 })
                {
                    _foundWell[deployment] = true;
                }

                _changed.Writer.TryWrite(true);
            }
        );
    }

    internal int Count => _breakers.Count;

    /// <summary>The deployments that are not asked freely now.</summary>
    public IReadOnlyList<OpenCircuit> Open =>
        [
            .. _breakers
                .Select(each => (each.Key, each.Value.Now))
                .Where(each => each.Now.State != CircuitState.Closed)
                .Select(each => new OpenCircuit(each.Key.Provider, each.Key.Model, each.Now.State == CircuitState.HalfOpen, each.Now.Left)),
        ];

    /// <summary>Takes the deployments that calls of this process have found well, which the other processes do not know.</summary>
    public IReadOnlyList<(string Provider, string Model)> TakeFoundWell() =>
        [.. _foundWell.Keys.ToList().Where(deployment => _foundWell.TryRemove(deployment, out _))];

    /// <summary>Completes when a breaker has changed since the last time. For one reader.</summary>
    public async ValueTask WaitForChangeAsync(CancellationToken cancellationToken) => await _changed.Reader.ReadAsync(cancellationToken);

    /// <inheritdoc cref="CircuitBreaker.TryPass"/>
    internal CircuitPass? TryPass(ChatDeployment deployment, out TimeSpan wait)
    {
        var breaker = _breakers.GetOrAdd((deployment.Provider, deployment.Model), _create);
        if (_breakers.Count > MostKept)
        {
            Forget(breaker);
        }

        return breaker.TryPass(out wait);
    }

    /// <summary>Before a call is sent: of all processes one finds out how a deployment is.</summary>
    /// <returns>Null when the call may be made; else how long not.</returns>
    internal async ValueTask<TimeSpan?> BeginAsync(ChatDeployment deployment, CircuitPass pass, CancellationToken cancellationToken)
    {
        if (!pass.IsProbe)
        {
            return null;
        }

        switch (await _turns.TakeAsync(deployment.Provider, deployment.Model, pass.OpenFor, cancellationToken))
        {
            case ProbeTurn.Taken(var wait):
                pass.PostponeProbe(wait);
                _changed.Writer.TryWrite(true);
                return wait;
            case ProbeTurn.Well:
                pass.NoteWell();
                return null;
            default:
                pass.BeginProbe();
                return null;
        }
    }

    /// <summary>Callers can make up names of a simulator's models. What a closed breaker had counted is as good as nothing.</summary>
    private void Forget(CircuitBreaker except)
    {
        foreach (var each in _breakers.Where(each => each.Value != except && each.Value.State == CircuitState.Closed).ToList())
        {
            _breakers.TryRemove(each);
        }
    }

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

/// <summary>A deployment that is not asked freely now.</summary>
/// <param name="Provider">The provider's configured name.</param>
/// <param name="Model">The model.</param>
/// <param name="IsProbed">Whether one call finds out now.</param>
/// <param name="Left">Until one may, if none does.</param>
public sealed record OpenCircuit(string Provider, string Model, bool IsProbed, TimeSpan Left);
