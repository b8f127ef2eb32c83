using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Worker;

/// <summary>Workers that are started again when they die, as any orchestrator does.</summary>
internal sealed class Crew(Func<Task<WorkerProcess>> start) : IAsyncDisposable
{
    private readonly List<Task> _watches = [];
    private readonly HashSet<WorkerProcess> _workers = [];
    private int _fallen;
    private bool _stopping;

    /// <summary>How many died unasked.</summary>
    public int Fallen => Volatile.Read(ref _fallen);

    public async Task StartAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            _watches.Add(KeepAsync(await start()));
        }
    }

    public async Task StopAsync()
    {
        lock (_workers)
        {
            _stopping = true;
            foreach (var worker in _workers)
            {
                worker.Signal(Signal.Terminate);
            }
        }

        await Task.WhenAll(_watches);
    }

    public ValueTask DisposeAsync() => new(StopAsync());

    private async Task KeepAsync(WorkerProcess worker)
    {
        while (true)
        {
            using var current = worker;
            lock (_workers)
            {
                _workers.Add(current);
                if (_stopping)
                {
                    current.Signal(Signal.Terminate);
                }
            }

            await current.WaitForExitAsync();
            lock (_workers)
            {
                _workers.Remove(current);
                if (_stopping)
                {
                    return;
                }

                _fallen++;
            }

            worker = await start();
        }
    }
}
