using AiBackend.Core.Queue.Outlook;

namespace AiBackend.Core.Queue;

/// <summary>How many jobs may be on their way to workers: as many as have slots, and where jobs are over in no time a few more.</summary>
/// <remarks>
/// The fewer, the later the order is decided. A job in the stream is a credit spent, whether it was read or not, until it is
/// acknowledged; so the credits need no account of their own.
/// </remarks>
internal sealed class SlotCredits(LineFlow flow, TimeProvider clock)
{
    // Longer than it takes to notice free slots and to fill them, so that workers whose jobs are about as short do not stand idle.
    private static readonly TimeSpan Ahead = TimeSpan.FromMilliseconds(50);

    // Slower than the jitter of rounds, and than a single job that happens to end between two of them; quicker than a load changes.
    private static readonly TimeSpan Memory = TimeSpan.FromMilliseconds(200);

    private long _lastAt;
    private int _expected;
    private double _perSecond;

    /// <param name="ready">What is in the stream.</param>
    /// <param name="slots">Of the living workers, by consumer.</param>
    /// <returns>Entries that may be in the stream; null while there is no worker to go by.</returns>
    public int? InFlight(ReadyState ready, IReadOnlyDictionary<string, int> slots)
    {
        Measure(ready.InFlight);
        if (slots.Count == 0)
        {
            return null;
        }

        // Entries of a worker that is gone or takes no more are in nobody's way.
        var foreign = ready.Held.Where(held => !slots.ContainsKey(held.Key)).Sum(held => held.Value);
        var all = slots.Values.Sum();
        // Jobs ahead of the slots decide the order early: worth it only where all slots are filled anew within that time.
        var ahead = (int)(_perSecond * Ahead.TotalSeconds);
        return all + foreign + (ahead >= all ? ahead : 0);
    }

    /// <summary>What is in the stream after an offer.</summary>
    public void Offered(int inFlight) => _expected = inFlight;

    private void Measure(int inFlight)
    {
        var now = clock.GetTimestamp();
        var elapsed = clock.GetElapsedTime(_lastAt, now).TotalSeconds;
        if (_lastAt != 0 && elapsed > 0)
        {
            var ended = Math.Max(0, _expected - inFlight);
            flow.Ended(ended, elapsed);
            var left = ended / elapsed;
            _perSecond += (left - _perSecond) * (1 - Math.Exp(-elapsed / Memory.TotalSeconds));
        }

        (_lastAt, _expected) = (now, inFlight);
    }
}
