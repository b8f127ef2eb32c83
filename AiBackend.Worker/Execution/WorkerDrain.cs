using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution;

/// <summary>How a worker stops: no new jobs at once, running ones get a grace period, what is left goes back to the queue.</summary>
internal sealed class WorkerDrain(IOptions<HostOptions> options, TimeProvider clock) : IDisposable
{
    private readonly CancellationTokenSource _graceOver = new(Timeout.InfiniteTimeSpan, clock);

    /// <summary>Fires when running attempts must give their jobs back, not when the host begins to stop.</summary>
    public CancellationToken GraceOver => _graceOver.Token;

    public bool IsDraining { get; private set; }

    /// <summary>The rest of the host's shutdown time is for recording what was given back.</summary>
    public TimeSpan GracePeriod => options.Value.ShutdownTimeout * 0.7;

    public void Begin()
    {
        IsDraining = true;
        _graceOver.CancelAfter(GracePeriod);
    }

    public void Dispose() => _graceOver.Dispose();
}
