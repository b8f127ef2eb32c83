using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution;

/// <summary>How a worker stops: no new jobs at once, running ones get a grace period, what is left goes back to the queue.</summary>
/// <remarks>It begins when the host begins to stop, for all intakes at once: each is stopped in its turn, when the one before has drained.</remarks>
internal sealed class WorkerDrain : IDisposable
{
    private readonly CancellationTokenSource _graceOver;
    private readonly CancellationTokenRegistration _beginning;

    public WorkerDrain(IHostApplicationLifetime lifetime, IOptions<HostOptions> options, TimeProvider clock)
    {
        GracePeriod = options.Value.ShutdownTimeout * 0.7;
        Begun = lifetime.ApplicationStopping;
        _graceOver = new(Timeout.InfiniteTimeSpan, clock);
        _beginning = Begun.Register(() => _graceOver.CancelAfter(GracePeriod));
    }

    /// <summary>Fires when no more jobs are to be taken.</summary>
    public CancellationToken Begun { get; }

    /// <summary>Fires when running attempts must give their jobs back, not when the host begins to stop.</summary>
    public CancellationToken GraceOver => _graceOver.Token;

    public bool IsDraining => Begun.IsCancellationRequested;

    /// <summary>The rest of the host's shutdown time is for recording what was given back.</summary>
    public TimeSpan GracePeriod { get; }

    public void Dispose()
    {
        _beginning.Dispose();
        _graceOver.Dispose();
    }
}
