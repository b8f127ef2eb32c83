namespace AiBackend.Core.Events;

/// <summary>The <c>final</c> event of a job, which repeats its whole output: read once for all who wait for it, and held once while they take it.</summary>
internal sealed class SharedFinal
{
    private readonly Lock _lock = new();
    private Task<byte[]>? _reading;

    /// <param name="read">Reads it; run again only when it failed before.</param>
    /// <param name="cancellationToken">Ends the wait of this reader alone.</param>
    public Task<byte[]> GetAsync(Func<Task<byte[]>> read, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_reading is null or { IsFaulted: true } or { IsCanceled: true })
            {
                _reading = read();
            }

            return _reading.WaitAsync(cancellationToken);
        }
    }
}
