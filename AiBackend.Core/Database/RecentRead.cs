namespace AiBackend.Core.Database;

/// <summary>What a query said a moment ago, for those who ask too often to ask Postgres each time.</summary>
/// <param name="read">The query.</param>
/// <param name="freshness">How old an answer may be.</param>
/// <param name="clock">Measures its age.</param>
public sealed class RecentRead<T>(Func<Task<T>> read, TimeSpan freshness, TimeProvider clock)
    where T : class
{
    /// <summary>Longest that <see cref="LatestAsync"/> takes: whoever refuses by it refuses quickly, or not at all.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(50);

    private readonly Lock _gate = new();
    private Task<T>? _latest;
    private T? _lastKnown;
    private long _readAt;

    /// <summary>What it said last, however long ago; null when it never did.</summary>
    public T? LastKnown => Volatile.Read(ref _lastKnown);

    /// <summary>What it says, or said within the freshness.</summary>
    /// <returns>Null when Postgres does not say in time.</returns>
    public async ValueTask<T?> LatestAsync()
    {
        var reading = Reading();
        if (reading.IsCompletedSuccessfully)
        {
            return await reading;
        }

        try
        {
            return await reading.WaitAsync(Patience, clock, CancellationToken.None);
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            return null;
        }
    }

    private Task<T> Reading()
    {
        lock (_gate)
        {
            if (_latest is null || (_latest.IsCompleted && clock.GetElapsedTime(_readAt) >= freshness) || _latest.IsFaulted)
            {
                _readAt = clock.GetTimestamp();
                // Whoever asks next wants it too; the limit of every statement bounds it.
                _latest = ReadAsync();
            }

            return _latest;
        }
    }

    private async Task<T> ReadAsync()
    {
        var value = await read();
        Volatile.Write(ref _lastKnown, value);
        return value;
    }
}
