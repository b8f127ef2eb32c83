using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Circuits;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Providers;

/// <summary>What must hold after every step, told from the outside: by the calls alone.</summary>
internal sealed class CircuitModel
{
    public static readonly ProviderFailure Down = new ProviderFailure.Transient(ProviderFailureCodes.Unavailable, "", null);
    private static readonly CircuitOptions Options = new();

    private readonly FakeTime _clock = new();
    private readonly List<(DateTimeOffset At, bool IsOutage)> _ended = [];
    private readonly Queue<(CircuitPass Pass, bool IsProbe, int Change)> _running = [];
    private readonly List<CircuitChange> _changes = [];
    private readonly CircuitBreaker _breaker;
    private DateTimeOffset _openUntil;

    internal enum Step
    {
        Begin,
        Answer,
        Refuse,
        Break,
        Abort,
        ASecondPasses,
        HalfAMinutePasses,
    }

    public CircuitModel() => _breaker = new CircuitBreaker(Options, _clock, new Random(7), _changes.Add);

    public static void End(ChatCall call, ProviderFailure? failure)
    {
        if (failure is null)
        {
            call.End();
        }
        else
        {
            call.Fail(failure);
        }
    }

    public static ChatCall NewCall() => new("p", "m", TimeProvider.System, TimeSpan.Zero);

    public bool Run(IEnumerable<Step> steps) => steps.All(Holds);

    private bool Holds(Step step)
    {
        var (before, changes) = (_breaker.State, _changes.Count);
        var fits = step switch
        {
            Step.Begin => Begins(before),
            Step.ASecondPasses => Passes(1),
            Step.HalfAMinutePasses => Passes(30),
            _ => Ends(step),
        };
        if (_changes.Count > changes && _breaker.State == CircuitState.Open)
        {
            _openUntil = _clock.GetUtcNow() + _changes[^1].OpenFor;
            fits &= _changes[^1].OpenFor >= Options.OpenFor && _changes[^1].OpenFor <= Options.LongestOpen * (1 + CircuitBreaker.Jitter);
            fits &=
                step == Step.Break
                && (before == CircuitState.HalfOpen || Outages(Options.Window) >= Options.MinimumCalls * Options.FailureRatio);
        }

        return fits;
    }

    private bool Begins(CircuitState before)
    {
        var pass = _breaker.TryPass(out var wait);
        var mayProbe =
            (before == CircuitState.Open && _clock.GetUtcNow() >= _openUntil)
            || (before == CircuitState.HalfOpen && !_running.Any(call => call.IsProbe && call.Change == _changes.Count));
        if (pass is not null)
        {
            pass.BeginProbe();
            _running.Enqueue((pass, _breaker.State == CircuitState.HalfOpen, _changes.Count));
        }

        return (pass is not null) == (before == CircuitState.Closed || mayProbe)
            && (pass is not null || before != CircuitState.Open || _clock.GetUtcNow() + wait == _openUntil);
    }

    private bool Ends(Step step)
    {
        if (!_running.TryDequeue(out var call))
        {
            return true;
        }

        var (before, counts) = (_breaker.State, call.Change == _changes.Count);
        var made = call.Pass.Of(NewCall());
        if (step != Step.Abort)
        {
            End(
                made,
                step switch
                {
                    Step.Break => Down,
                    Step.Refuse => new ProviderFailure.RateLimited("", null),
                    _ => null,
                }
            );
        }

        if (counts && !call.IsProbe && step is Step.Answer or Step.Break)
        {
            _ended.Add((_clock.GetUtcNow(), step == Step.Break));
        }

        call.Pass.Dispose();
        var after = _breaker.State;
        if (!counts)
        {
            return after == before;
        }

        if (call.IsProbe)
        {
            _ended.Clear();
            return after
                == (
                    step == Step.Break ? CircuitState.Open
                    : step == Step.Abort ? CircuitState.HalfOpen
                    : CircuitState.Closed
                );
        }

        // Slices may let go of a tenth of the window early, so what must open is told from the rest.
        var sure = Options.Window - (Options.Window / RollingCounts.Slices);
        var mustOpen =
            step == Step.Break
            && Calls(sure) == Calls(Options.Window)
            && Calls(sure) >= Options.MinimumCalls
            && Outages(sure) >= Options.FailureRatio * Calls(sure);
        return !mustOpen || after == CircuitState.Open;
    }

    private bool Passes(int seconds)
    {
        var before = _breaker.State;
        _clock.Advance(TimeSpan.FromSeconds(seconds));
        return _breaker.State == before;
    }

    private int Calls(TimeSpan within) => _ended.Count(call => call.At > _clock.GetUtcNow() - within);

    private int Outages(TimeSpan within) => _ended.Count(call => call.IsOutage && call.At > _clock.GetUtcNow() - within);
}
