using AiBackend.Core.Database;

namespace AiBackend.Core.Tenancy.Limits;

/// <summary>How many jobs of one key wait: counted in Postgres at most once a second, plus what this server has let in since that count began.</summary>
internal sealed class KeyQueue(Func<long, Task<long>> count, TimeProvider clock)
{
    // As the limits of the whole queue are counted: never for more than a twentieth of the time.
    private const int ShareOfTime = 20;
    private static readonly TimeSpan LeastPause = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private Task _counting = Task.CompletedTask;
    private long? _counted;
    private long _since;
    private long _sinceNext;
    private long _nextAt;

    /// <param name="most">How many may wait.</param>
    /// <param name="isExact">Whether nothing is let in before the first count is there.</param>
    /// <returns>Whether one more may wait; then it counts.</returns>
    public async ValueTask<bool> TryEnterAsync(long most, bool isExact)
    {
        Task counting;
        bool isFirst;
        lock (_gate)
        {
            if (_counting.IsCompleted && clock.GetTimestamp() >= _nextAt)
            {
                _sinceNext = 0;
                _counting = CountAsync(most);
            }

            (counting, isFirst) = (_counting, isExact && _counted is null);
        }

        if (isFirst)
        {
            await counting;
        }

        lock (_gate)
        {
            if ((_counted ?? 0) + _since >= most)
            {
                return false;
            }

            _since++;
            _sinceNext++;
            return true;
        }
    }

    private async Task CountAsync(long most)
    {
        await Task.Yield();
        var began = clock.GetTimestamp();
        try
        {
            var counted = await count(most);
            lock (_gate)
            {
                (_counted, _since) = (counted, _sinceNext);
            }
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            // The older count holds, with everything let in since; without Postgres nothing is let in anyhow.
        }
        finally
        {
            var took = clock.GetElapsedTime(began) * ShareOfTime;
            var pause = took > LeastPause ? took : LeastPause;
            Volatile.Write(ref _nextAt, clock.GetTimestamp() + (long)(pause.TotalSeconds * clock.TimestampFrequency));
        }
    }
}
