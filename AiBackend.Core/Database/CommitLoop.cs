using System.Threading.Channels;

namespace AiBackend.Core.Database;

/// <summary>Group commit: gathers what callers hand in while the previous batch is being committed, and commits it as one.</summary>
/// <remarks>
/// One loop beats several: batches grow with load by themselves, so throughput rises while an idle system pays no delay.
/// Each item carries its own completion; <c>commit</c> must complete every item it was given and must not throw.
/// </remarks>
/// <typeparam name="T">What callers hand in.</typeparam>
public sealed class CommitLoop<T> : IAsyncDisposable
{
    private readonly Channel<T> _pending;
    private readonly int _maxBatch;
    private readonly Func<IReadOnlyList<T>, Task> _commit;
    private readonly Task _loop;

    /// <param name="capacity">Items that may wait; above it <see cref="TryAdd"/> refuses.</param>
    /// <param name="maxBatch">Items per commit.</param>
    /// <param name="commit">Commits one batch.</param>
    public CommitLoop(int capacity, int maxBatch, Func<IReadOnlyList<T>, Task> commit)
    {
        _pending = Channel.CreateBounded<T>(new BoundedChannelOptions(capacity) { SingleReader = true });
        _maxBatch = maxBatch;
        _commit = commit;
        _loop = BackgroundLoop.Start(RunAsync);
    }

    /// <returns>False when too many items already wait or the loop was disposed; the item was not taken.</returns>
    public bool TryAdd(T item) => _pending.Writer.TryWrite(item);

    /// <summary>Takes no more items, commits those that wait, and returns when the last batch is done.</summary>
    public async ValueTask DisposeAsync()
    {
        _pending.Writer.TryComplete();
        await _loop;
    }

    private async Task RunAsync()
    {
        var batch = new List<T>(_maxBatch);
        while (await _pending.Reader.WaitToReadAsync())
        {
            while (batch.Count < _maxBatch && _pending.Reader.TryRead(out var item))
            {
                batch.Add(item);
            }

            await _commit(batch);
            batch.Clear();
        }
    }
}
