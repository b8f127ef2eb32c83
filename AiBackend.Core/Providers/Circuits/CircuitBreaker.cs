namespace AiBackend.Core.Providers.Circuits;

/// <summary>Keeps calls from a deployment that is down, and finds out with one call at a time when it is well again.</summary>
/// <remarks>
/// Polly's breaker was looked at first. It takes every outcome that is no failure for a success, so that an aborted probe would close it,
/// and knows an outcome only when its delegate returns; a stream's comes minutes later or never. A call that began before the latest
/// change of state says nothing about the state since, so its outcome is dropped (<see cref="CircuitPass.Era"/>).
/// </remarks>
internal sealed class CircuitBreaker(CircuitOptions options, TimeProvider clock, Random random, Action<CircuitChange> onChange)
{
    /// <summary>Most that chance adds to the time of being open, as a share: processes that saw the same outage do not probe together.</summary>
    public const double Jitter = 0.5;

    private readonly Lock _gate = new();
    private readonly RollingCounts _counts = new(options.Window, clock);
    private CircuitState _state;
    private TimeSpan _openFor;
    private long _changedAt = clock.GetTimestamp();
    private int _era;
    private int _reopenings;
    private bool _isProbed;

    public CircuitState State => Now.State;

    /// <summary>The state, and how long it is still open.</summary>
    public (CircuitState State, TimeSpan Left) Now
    {
        get
        {
            lock (_gate)
            {
                return (_state, _state == CircuitState.Open ? Left : TimeSpan.Zero);
            }
        }
    }

    private TimeSpan Left => _openFor - clock.GetElapsedTime(_changedAt) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;

    /// <summary>Leave to make one call; tell it the outcome.</summary>
    /// <returns>Null when nobody may ask now. A probe is to be begun before it is made (<see cref="CircuitPass.BeginProbe"/>).</returns>
    public CircuitPass? TryPass(out TimeSpan wait)
    {
        lock (_gate)
        {
            wait = _state == CircuitState.Open ? Left : TimeSpan.Zero;
            if (_state == CircuitState.Closed)
            {
                return new CircuitPass(this, clock, _era, isProbe: false);
            }

            if (wait > TimeSpan.Zero || _isProbed)
            {
                return null;
            }

            _isProbed = true;
            return new CircuitPass(this, clock, _era, isProbe: true);
        }
    }

    /// <summary>How long nobody has asked, or since when nobody else could tell.</summary>
    public TimeSpan SinceChange
    {
        get
        {
            lock (_gate)
            {
                return clock.GetElapsedTime(_changedAt);
            }
        }
    }

    /// <summary>The probe is made now.</summary>
    /// <returns>The era that it belongs to.</returns>
    public int BeginProbe(int era)
    {
        lock (_gate)
        {
            if (era == _era && _state == CircuitState.Open)
            {
                Become(CircuitState.HalfOpen);
                _isProbed = true;
                return _era;
            }

            return era;
        }
    }

    /// <summary>The probe is not made, because somebody else asks: nobody here does for <paramref name="wait"/>.</summary>
    public void PostponeProbe(int era, TimeSpan wait)
    {
        lock (_gate)
        {
            if (era == _era)
            {
                // No outage was met, so nothing is told and the next one that is lasts no longer for it.
                (_state, _isProbed, _openFor, _changedAt) = (CircuitState.Open, false, wait, clock.GetTimestamp());
                _era++;
            }
        }
    }

    /// <summary>Another process has found the deployment well.</summary>
    /// <returns>The era that the call belongs to, which is no probe any more.</returns>
    public int CloseForOthers(int era)
    {
        lock (_gate)
        {
            if (era == _era)
            {
                _counts.Clear();
                Become(CircuitState.Closed);
                return _era;
            }

            return era;
        }
    }

    /// <summary>
    /// A call has begun to be answered. It counts from now on: of calls that began together those that fail are known the soonest, and
    /// by them alone a slow deployment would be called down.
    /// </summary>
    public void NoteText(int era)
    {
        lock (_gate)
        {
            if (era == _era && _state == CircuitState.Closed)
            {
                _counts.Add(calls: 1, outages: 0);
            }
        }
    }

    /// <summary>A call has ended, or a probe is proof enough before its end.</summary>
    /// <param name="era">The era that the call belongs to.</param>
    /// <param name="verdict">What it says.</param>
    /// <param name="sinceText">How long ago it was counted by <see cref="NoteText"/>; null when it was not.</param>
    /// <returns>The era that the call belongs to from now on.</returns>
    public int Note(int era, CircuitVerdict verdict, TimeSpan? sinceText = null)
    {
        lock (_gate)
        {
            if (era != _era)
            {
                return era;
            }

            if (_state == CircuitState.Open)
            {
                // A probe that was not begun.
                _isProbed = false;
            }
            else if (_state == CircuitState.HalfOpen)
            {
                NoteProbe(verdict);
            }
            else if (verdict is CircuitVerdict.Answered or CircuitVerdict.Outage)
            {
                NoteCall(
                    isOutage: verdict == CircuitVerdict.Outage,
                    isCounted: sinceText < options.Window * (1 - (1.0 / RollingCounts.Slices))
                );
            }

            return _era;
        }
    }

    private void NoteProbe(CircuitVerdict verdict)
    {
        _isProbed = false;
        if (verdict == CircuitVerdict.Outage)
        {
            _reopenings++;
            Open(calls: 1, outages: 1);
        }
        else if (verdict != CircuitVerdict.None)
        {
            _counts.Clear();
            Become(CircuitState.Closed, calls: 1);
        }
    }

    private void NoteCall(bool isOutage, bool isCounted)
    {
        _counts.Add(isCounted ? 0 : 1, isOutage ? 1 : 0);
        var (calls, outages) = _counts.Sum;
        if (!isOutage || calls < options.MinimumCalls || outages < options.FailureRatio * calls)
        {
            return;
        }

        // Down again soon after it was found to be well: the last open time was too short.
        var isRelapse = _era > 0 && clock.GetElapsedTime(_changedAt) < options.LongestOpen;
        _reopenings = isRelapse ? _reopenings + 1 : 0;
        Open(calls, outages);
    }

    private void Open(int calls, int outages)
    {
        var bound = options.OpenFor * Math.Pow(2, Math.Min(_reopenings, 30));
        var longest = options.LongestOpen > options.OpenFor ? options.LongestOpen : options.OpenFor;
        _openFor = (bound < longest ? bound : longest) * (1 + (Jitter * random.NextDouble()));
        Become(CircuitState.Open, calls, outages);
    }

    private void Become(CircuitState state, int calls = 0, int outages = 0)
    {
        _state = state;
        _era++;
        _changedAt = clock.GetTimestamp();
        _isProbed = false;
        // Under the lock, so that changes are told in their order.
        onChange(new CircuitChange(state, _openFor, calls, outages));
    }
}

/// <summary>A breaker has changed its state.</summary>
/// <param name="State">What it is now.</param>
/// <param name="OpenFor">How long it is open, if it is.</param>
/// <param name="Calls">Calls of this process that decided it.</param>
/// <param name="Outages">How many of them were outages.</param>
internal readonly record struct CircuitChange(CircuitState State, TimeSpan OpenFor, int Calls, int Outages);
