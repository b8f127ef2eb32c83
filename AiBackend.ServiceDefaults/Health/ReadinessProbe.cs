using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace AiBackend.ServiceDefaults.Health;

/// <summary>Runs the registered checks, once for all who ask at the same moment.</summary>
/// <remarks>Anyone may ask: without this a flood of probes would be a flood of queries.</remarks>
internal sealed class ReadinessProbe(HealthCheckService checks, TimeProvider clock)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private Task<HealthReport>? _latest;
    private long _startedAt;

    public Task<HealthReport> ReadAsync()
    {
        lock (_gate)
        {
            if (_latest is null || (_latest.IsCompleted && clock.GetElapsedTime(_startedAt) > Fresh))
            {
                _startedAt = clock.GetTimestamp();
                // Shared by several callers, so it ends by each check's own timeout and not when one caller goes away.
                _latest = checks.CheckHealthAsync(CancellationToken.None);
            }

            return _latest;
        }
    }
}
