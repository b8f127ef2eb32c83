namespace AiBackend.Core.Providers;

/// <summary>How many retries one provider still gets from this process, so that its trouble is not multiplied by ours.</summary>
/// <remarks>
/// A bucket of tokens. Every first call puts <see cref="Ratio"/> of a token in; a retry takes one out, and puts it back with as much
/// again when it succeeds: a provider that answers is not in trouble, and what waits for it may come faster and faster. So at any
/// time: retries that failed or still run ≤ <see cref="Floor"/> + <see cref="Ratio"/> × first calls + retries that succeeded
/// + elapsed ÷ <see cref="Trickle"/>. Compare "Timeouts, retries, and backoff with jitter" in the Amazon Builders' Library.
/// </remarks>
internal sealed class RetryBudget
{
    /// <summary>Tokens of one first call: retries are at most a tenth of the calls.</summary>
    public const double Ratio = 0.1;

    /// <summary>Tokens at the start, and what a quiet system comes back to by itself.</summary>
    public const double Floor = 10;

    /// <summary>Most tokens there can be: the longest burst of retries after a long time without any.</summary>
    public const double Capacity = 100;

    /// <summary>Time in which a token comes back by itself, up to <see cref="Floor"/>: somebody has to find out that a provider is well again.</summary>
    public static readonly TimeSpan Trickle = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly TimeProvider _clock;
    private double _tokens = Floor;
    private long _trickledAt;

    public RetryBudget(TimeProvider clock)
    {
        _clock = clock;
        _trickledAt = clock.GetTimestamp();
    }

    /// <summary>Tokens left.</summary>
    public double Left
    {
        get
        {
            lock (_gate)
            {
                AddTrickle();
                return _tokens;
            }
        }
    }

    /// <summary>A call that is no retry is being made.</summary>
    public void NoteFirstCall() => Add(Ratio);

    /// <summary>A retry is about to be made.</summary>
    /// <returns>Whether it may.</returns>
    public bool TryTake()
    {
        lock (_gate)
        {
            AddTrickle();
            if (_tokens < 1)
            {
                return false;
            }

            _tokens--;
            return true;
        }
    }

    /// <summary>A retry has succeeded.</summary>
    public void NoteSuccess() => Add(2);

    private void Add(double tokens)
    {
        lock (_gate)
        {
            AddTrickle();
            _tokens = Math.Min(_tokens + tokens, Capacity);
        }
    }

    private void AddTrickle()
    {
        var now = _clock.GetTimestamp();
        var trickled = _clock.GetElapsedTime(_trickledAt, now) / Trickle;
        _trickledAt = now;
        if (_tokens < Floor)
        {
            _tokens = Math.Min(_tokens + trickled, Floor);
        }
    }
}
