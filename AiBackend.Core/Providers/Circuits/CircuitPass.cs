using AiBackend.Core.Providers.Failures;

namespace AiBackend.Core.Providers.Circuits;

/// <summary>One call's leave to be made. Disposing it tells the breaker how the call ended, also when it was aborted.</summary>
internal sealed class CircuitPass(CircuitBreaker breaker, TimeProvider clock, int era, bool isProbe) : IDisposable
{
    /// <summary>Text for this long proves a probe's deployment well: a long answer does not keep the others waiting for its end.</summary>
    public static readonly TimeSpan Proof = TimeSpan.FromSeconds(10);

    private ChatCall? _call;
    private long? _firstTextAt;
    private bool _isProbe = isProbe;

    // Its text was not counted.
    private bool _wasProbe = isProbe;

    /// <summary>Counts the breaker's changes; the call belongs to the one in which it began.</summary>
    public int Era { get; private set; } = era;

    /// <summary>Whether the call finds out how its deployment is, which one process at a time does.</summary>
    public bool IsProbe => _isProbe;

    /// <summary>How long nobody here has asked.</summary>
    public TimeSpan OpenFor => breaker.SinceChange;

    /// <summary>The call is sent now; of no effect on one that is no probe.</summary>
    public void BeginProbe() => Era = _isProbe ? breaker.BeginProbe(Era) : Era;

    /// <summary>The call is not made: somebody else asks.</summary>
    public void PostponeProbe(TimeSpan wait) => breaker.PostponeProbe(Era, wait);

    /// <summary>Somebody else has found the deployment well: the call is like any other.</summary>
    public void NoteWell()
    {
        Era = breaker.CloseForOthers(Era);
        _isProbe = _wasProbe = false;
    }

    /// <summary>The call that is made with it.</summary>
    public ChatCall Of(ChatCall call) => _call = call;

    /// <summary>Text has come.</summary>
    public void NoteText()
    {
        if (_firstTextAt is null)
        {
            _firstTextAt = clock.GetTimestamp();
            breaker.NoteText(Era);
        }

        if (_isProbe && clock.GetElapsedTime(_firstTextAt.Value) >= Proof)
        {
            _isProbe = false;
            Era = breaker.Note(Era, CircuitVerdict.Answered);
        }
    }

    public void Dispose() =>
        breaker.Note(Era, Verdict(), _firstTextAt is { } firstTextAt && !_wasProbe ? clock.GetElapsedTime(firstTextAt) : null);

    private CircuitVerdict Verdict() =>
        _call switch
        {
            { Failure: { } failure } => Of(failure),
            // Its answer was long enough for its caller, but every such call is paid beyond its price.
            { Overran: true } => CircuitVerdict.Outage,
            { HasEnded: true } => CircuitVerdict.Answered,
            _ => CircuitVerdict.None,
        };

    // A refused key is no outage: waiting does not mend it, an operator does, and jobs must fail with that cause and not wait.
    private static CircuitVerdict Of(ProviderFailure failure) =>
        failure switch
        {
            // Else one tenant's planted orders would keep all others from the deployment.
            ProviderFailure.Transient { IsAnswered: true } => CircuitVerdict.Answered,
            ProviderFailure.Transient => CircuitVerdict.Outage,
            ProviderFailure.RateLimited or ProviderFailure.CallerError or ProviderFailure.ProviderAuth => CircuitVerdict.Refused,
            _ => CircuitVerdict.None,
        };
}
