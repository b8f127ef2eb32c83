namespace AiBackend.Core.Database;

/// <summary>Keeps what is in memory fresh for those who may not wait for Postgres: whoever finds it old begins a read and goes on.</summary>
/// <param name="read">Reads it anew.</param>
/// <param name="freshness">How old it may be.</param>
/// <param name="clock">Measures its age.</param>
/// <param name="failed">What to do when Postgres does not say; without it what was known stays.</param>
internal sealed class BackgroundRefresh(Func<CancellationToken, Task> read, TimeSpan freshness, TimeProvider clock, Action? failed = null)
{
    private long _readAt;
    private bool _reading;

    /// <summary>Begins a read if what is known is old and none is under way.</summary>
    public void Begin()
    {
        if (clock.GetElapsedTime(Volatile.Read(ref _readAt)) >= freshness && !Interlocked.Exchange(ref _reading, true))
        {
            _ = ReadAsync();
        }
    }

    private async Task ReadAsync()
    {
        try
        {
            // None: nobody waits for it; the command time-out bounds it.
            await read(CancellationToken.None);
        }
        catch (Exception failure) when (StorageFailures.MayCome(failure))
        {
            failed?.Invoke();
        }
        finally
        {
            Volatile.Write(ref _readAt, clock.GetTimestamp());
            Volatile.Write(ref _reading, false);
        }
    }
}
