namespace AiBackend.Api.Auth.Limits;

/// <summary>Counts what comes within a minute, which begins with the first.</summary>
internal sealed class MinuteCount
{
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private long? _began;
    private int _value;

    /// <returns>How many there have been of its minute; none once that is over.</returns>
    public int Current(TimeProvider clock)
    {
        lock (_gate)
        {
            return _began is { } began && clock.GetElapsedTime(began) < Window ? _value : 0;
        }
    }

    /// <returns>Which of its minute this is, and when the next one begins.</returns>
    public (int Value, TimeSpan Wait) Add(TimeProvider clock)
    {
        lock (_gate)
        {
            var now = clock.GetTimestamp();
            if (_began is not { } began || clock.GetElapsedTime(began, now) >= Window)
            {
                (_began, _value) = (began = now, 0);
            }

            var wait = Window - clock.GetElapsedTime(began, now);
            return (++_value, wait > Shortest ? wait : Shortest);
        }
    }
}
