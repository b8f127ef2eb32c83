namespace AiBackend.Core.Providers.Circuits;

/// <summary>Calls and outages of the latest time, in ten slices of which the oldest goes as a whole. Not safe for several threads.</summary>
internal sealed class RollingCounts(TimeSpan window, TimeProvider clock)
{
    public const int Slices = 10;

    private readonly (long Number, int Calls, int Outages)[] _slices = new (long, int, int)[Slices];
    private readonly long _startedAt = clock.GetTimestamp();

    // From 1, so that an empty slice is of no time.
    private long Now => 1 + (clock.GetElapsedTime(_startedAt).Ticks / Math.Max(1, window.Ticks / Slices));

    public (int Calls, int Outages) Sum
    {
        get
        {
            var (oldest, calls, outages) = (Now - Slices + 1, 0, 0);
            foreach (var slice in _slices)
            {
                if (slice.Number >= oldest)
                {
                    calls += slice.Calls;
                    outages += slice.Outages;
                }
            }

            return (calls, outages);
        }
    }

    public void Add(int calls, int outages)
    {
        var now = Now;
        ref var slice = ref _slices[now % Slices];
        if (slice.Number != now)
        {
            slice = (now, 0, 0);
        }

        slice.Calls += calls;
        slice.Outages += outages;
    }

    public void Clear() => Array.Clear(_slices);
}
