using Microsoft.Extensions.Options;

namespace AiBackend.Worker.Execution;

/// <summary>How many of this process' slots jobs of the ready stream have.</summary>
internal sealed class SlotUse(IOptions<WorkerOptions> options)
{
    private int _taken;

    public int Taken => Volatile.Read(ref _taken);

    /// <summary>May be below zero for a moment.</summary>
    public int Free => options.Value.MaxConcurrentJobs - Taken;

    public void Take(int count) => Interlocked.Add(ref _taken, count);

    public void Release() => Interlocked.Decrement(ref _taken);
}
