namespace AiBackend.Core.Tenancy.Limits;

/// <summary>What this server has taken of one limit of one key for the current minute: most requests are decided here, in memory.</summary>
#pragma warning disable CA1001 // A semaphore holds nothing until somebody asks for its wait handle, and nobody does.
internal sealed class Allowance(Func<long, long, long, Task<(long Granted, long LeftOver, TimeSpan EndsIn)>> take, TimeProvider clock)
#pragma warning restore CA1001
{
    // A twentieth of the limit at once: so many questions to Postgres a minute and server at most, and so much may lie unused in one.
    private const int Share = 20;

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _asking = new(1, 1);
    private long _remaining;
    private long _leftOver;
    private long _endsAt;

    /// <summary>Takes as much as a request needs.</summary>
    /// <param name="need">How much; more than the limit counts as the limit, or it could never be had.</param>
    /// <param name="limit">How much a minute may have, as the key says now.</param>
    /// <returns>Whether there was as much.</returns>
    public async ValueTask<bool> TryTakeAsync(long need, long limit)
    {
        need = Math.Min(need, limit);
        if (TryTakeHere(need) is { } known)
        {
            return known;
        }

        // Whoever comes meanwhile waits for the answer instead of asking the same.
        await _asking.WaitAsync();
        try
        {
            if (TryTakeHere(need) is { } now)
            {
                return now;
            }

            var missing = need - Remaining();
            var (granted, leftOver, endsIn) = await take(Math.Max(missing, limit / Share), missing, limit);
            lock (_gate)
            {
                Roll();
                _remaining += granted;
                _leftOver = leftOver;
                _endsAt = clock.GetTimestamp() + (long)(endsIn.TotalSeconds * clock.TimestampFrequency);
                if (_remaining < need)
                {
                    return false;
                }

                _remaining -= need;
                return true;
            }
        }
        finally
        {
            _asking.Release();
        }
    }

    /// <summary>Gives back what was taken for a request that another limit refuses.</summary>
    public void GiveBack(long need)
    {
        lock (_gate)
        {
            Roll();
            _remaining += _endsAt == 0 ? 0 : need;
        }
    }

    public KeyLimitView Describe(long limit)
    {
        lock (_gate)
        {
            Roll();
            var reset = _endsAt == 0 ? TimeSpan.Zero : clock.GetElapsedTime(clock.GetTimestamp(), _endsAt);
            return new(limit, _endsAt == 0 ? limit : Math.Min(limit, _remaining + _leftOver), reset);
        }
    }

    private long Remaining()
    {
        lock (_gate)
        {
            Roll();
            return _remaining;
        }
    }

    /// <returns>Null when only Postgres knows.</returns>
    private bool? TryTakeHere(long need)
    {
        lock (_gate)
        {
            Roll();
            if (_remaining >= need)
            {
                _remaining -= need;
                return true;
            }

            // What Postgres said is left for all can only have become less.
            return _endsAt != 0 && _remaining + _leftOver < need ? false : null;
        }
    }

    /// <summary>What was taken for a minute is of no use in the next.</summary>
    private void Roll()
    {
        if (_endsAt != 0 && clock.GetTimestamp() >= _endsAt)
        {
            (_remaining, _leftOver, _endsAt) = (0, 0, 0);
        }
    }
}
