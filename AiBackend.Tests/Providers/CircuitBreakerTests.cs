using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Circuits;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Fixtures;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Providers;

/// <summary>The breaker of one deployment: when it opens, how it finds out, and what it does not take for an outage.</summary>
public sealed class CircuitBreakerTests
{
    private static readonly CircuitOptions Options = new();
    private static readonly ProviderFailure Down = CircuitModel.Down;

    private readonly FakeTime _clock = new();
    private readonly List<CircuitChange> _changes = [];
    private readonly CircuitBreaker _breaker;

    public CircuitBreakerTests() => _breaker = new CircuitBreaker(Options, _clock, new Random(1), _changes.Add);

    [Fact]
    public void F_29_over_any_calls_outcomes_and_pauses_a_breaker_opens_for_outages_only_and_lets_one_probe_through()
    {
        Prop.ForAll(Arb.From(Gen.ListOf(Gen.Elements(Enum.GetValues<CircuitModel.Step>()))), steps => new CircuitModel().Run(steps))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000).WithEndSize(200));
    }

    [Fact]
    public void It_opens_when_half_of_enough_calls_were_outages_and_not_before()
    {
        Call(null);
        Call(null);
        Call(Down);
        Call(Down);
        Assert.Equal(CircuitState.Closed, _breaker.State);

        Call(Down);

        Assert.Equal(CircuitState.Open, _breaker.State);
        Assert.Equal((5, 3), (_changes[^1].Calls, _changes[^1].Outages));
        Assert.Null(_breaker.TryPass(out var wait));
        Assert.InRange(wait, Options.OpenFor, Options.OpenFor * (1 + CircuitBreaker.Jitter));
    }

    [Fact]
    public void Outages_of_long_ago_do_not_count()
    {
        Repeat(4, () => Call(Down));
        _clock.Advance(Options.Window);

        Call(Down);

        Assert.Equal(CircuitState.Closed, _breaker.State);
    }

    [Fact]
    public void F_24_limits_keys_and_faulty_requests_are_no_outages_and_dilute_none()
    {
        ProviderFailure[] refusals =
        [
            new ProviderFailure.RateLimited("", null),
            new ProviderFailure.ProviderAuth(ProviderFailureCodes.Auth, ""),
            new ProviderFailure.CallerError(ProviderFailureCodes.InvalidRequest, ""),
            new ProviderFailure.ContractViolation("schema", ""),
            new ProviderFailure.Unknown(""),
        ];
        Repeat(20, () => Assert.All(refusals, refusal => Call(refusal)));
        Assert.Equal(CircuitState.Closed, _breaker.State);

        Repeat(5, () => Call(Down));
        Assert.Equal(CircuitState.Open, _breaker.State);
    }

    [Fact]
    public void A_61_what_a_model_was_told_to_ask_for_keeps_nobody_from_its_provider()
    {
        var asksForOthers = new ProviderFailure.Transient(ProviderFailureCodes.ProtocolError, "", null) { IsAnswered = true };

        Repeat(20, () => Call(asksForOthers));

        Assert.Equal(CircuitState.Closed, _breaker.State);
    }

    [Fact]
    public void A_probe_that_is_refused_by_a_limit_has_found_the_deployment_up()
    {
        OpenIt();
        _clock.Advance(Options.OpenFor * 2);

        Call(new ProviderFailure.RateLimited("", null));

        Assert.Equal(CircuitState.Closed, _breaker.State);
    }

    [Fact]
    public void A_probe_that_was_aborted_says_nothing_and_makes_room_for_another()
    {
        OpenIt();
        _clock.Advance(Options.OpenFor * 2);
        var probe = _breaker.TryPass(out _);
        probe!.BeginProbe();
        Assert.Null(_breaker.TryPass(out _));

        probe.Dispose();

        Assert.Equal(CircuitState.HalfOpen, _breaker.State);
        Assert.NotNull(_breaker.TryPass(out _));
    }

    [Fact]
    public void It_stays_open_longer_while_probes_fail_up_to_a_bound_and_begins_anew_after_it_was_well()
    {
        OpenIt();
        Repeat(
            6,
            () =>
            {
                _clock.Advance(_changes[^1].OpenFor);
                Call(Down);
            }
        );

        double[] bounds = [10, 20, 30, 30, 30, 30, 30];
        var times = _changes.Where(change => change.State == CircuitState.Open).Select(change => change.OpenFor.TotalSeconds).ToList();
        Assert.Equal(bounds.Length, times.Count);
        Assert.All(times.Zip(bounds), each => Assert.InRange(each.First, each.Second, each.Second * (1 + CircuitBreaker.Jitter)));

        _clock.Advance(_changes[^1].OpenFor);
        Call(null);
        OpenIt();
        Assert.InRange(_changes[^1].OpenFor, Options.LongestOpen, Options.LongestOpen * 2);

        _clock.Advance(_changes[^1].OpenFor);
        Call(null);
        _clock.Advance(Options.LongestOpen);
        OpenIt();
        Assert.InRange(_changes[^1].OpenFor, Options.OpenFor, Options.OpenFor * (1 + CircuitBreaker.Jitter));
    }

    [Fact]
    public void F_25_a_probe_that_keeps_writing_proves_it_well_before_its_end_and_may_still_break_off()
    {
        OpenIt();
        _clock.Advance(_changes[^1].OpenFor);
        var probe = _breaker.TryPass(out _)!;
        probe.BeginProbe();
        var call = probe.Of(CircuitModel.NewCall());

        probe.NoteText();
        _clock.Advance(CircuitPass.Proof - TimeSpan.FromSeconds(1));
        probe.NoteText();
        Assert.Equal(CircuitState.HalfOpen, _breaker.State);
        _clock.Advance(TimeSpan.FromSeconds(1));
        probe.NoteText();
        Assert.Equal(CircuitState.Closed, _breaker.State);

        Repeat(4, () => Call(Down));
        call.Fail(Down);
        probe.Dispose();
        Assert.Equal(CircuitState.Open, _breaker.State);
    }

    [Fact]
    public void A_call_of_before_says_nothing_about_now()
    {
        var old = Enumerable.Range(0, 5).Select(_ => _breaker.TryPass(out var _)!).ToList();
        OpenIt();
        _clock.Advance(_changes[^1].OpenFor);
        Call(null);

        foreach (var pass in old)
        {
            pass.Of(CircuitModel.NewCall()).Fail(Down);
            pass.Dispose();
        }

        Assert.Equal(CircuitState.Closed, _breaker.State);
    }

    [Fact]
    public void L_7_the_few_calls_that_fail_at_once_do_not_speak_for_the_many_that_are_being_answered()
    {
        var passes = Enumerable.Range(0, 40).Select(_ => _breaker.TryPass(out var _)!).ToList();
        var answering = passes.Skip(10).Select(pass => (Pass: pass, Call: pass.Of(CircuitModel.NewCall()))).ToList();
        answering.ForEach(each => each.Pass.NoteText());
        foreach (var pass in passes.Take(10))
        {
            pass.Of(CircuitModel.NewCall()).Fail(Down);
            pass.Dispose();
        }

        Assert.Equal(CircuitState.Closed, _breaker.State);

        // What breaks off counts once, as an outage, though it had begun: 10 and 10 of 40 are half of them.
        answering.Take(9).ToList().ForEach(each => Cut(each.Pass, each.Call));
        Assert.Equal(CircuitState.Closed, _breaker.State);
        answering.Skip(9).Take(1).ToList().ForEach(each => Cut(each.Pass, each.Call));
        Assert.Equal(CircuitState.Open, _breaker.State);
        Assert.Equal((40, 20), (_changes[^1].Calls, _changes[^1].Outages));

        static void Cut(CircuitPass pass, ChatCall call)
        {
            call.Fail(Down);
            pass.Dispose();
        }
    }

    [Fact]
    public void F_29_a_probe_that_is_another_processs_to_make_is_not_made_here_and_told_to_nobody()
    {
        OpenIt();
        var told = _changes.Count;
        _clock.Advance(_changes[^1].OpenFor);

        using (var postponed = _breaker.TryPass(out _)!)
        {
            Assert.True(postponed.IsProbe);
            Assert.Null(_breaker.TryPass(out _));
            postponed.PostponeProbe(TimeSpan.FromSeconds(4));
        }

        Assert.Null(_breaker.TryPass(out var wait));
        Assert.Equal(TimeSpan.FromSeconds(4), wait);
        _clock.Advance(wait);
        _breaker.TryPass(out _)!.Dispose();
        Assert.Equal((CircuitState.Open, told), (_breaker.State, _changes.Count));
        Call(null);
        Assert.Equal(CircuitState.Closed, _breaker.State);
    }

    [Fact]
    public void F_29_what_another_process_found_well_is_asked_freely_and_not_said_to_be_found_here()
    {
        OpenIt();
        _clock.Advance(_changes[^1].OpenFor);
        using var pass = _breaker.TryPass(out _)!;

        pass.NoteWell();

        Assert.Equal(new(CircuitState.Closed, _changes[^1].OpenFor, 0, 0), _changes[^1]);
        Assert.NotNull(_breaker.TryPass(out _));
        Repeat(4, () => Call(Down));
        pass.Of(CircuitModel.NewCall()).Fail(Down);
        pass.Dispose();
        Assert.Equal(CircuitState.Open, _breaker.State);
    }

    private void OpenIt()
    {
        Repeat(5, () => Call(Down));
        Assert.Equal(CircuitState.Open, _breaker.State);
    }

    private void Call(ProviderFailure? failure)
    {
        using var pass = _breaker.TryPass(out _);
        pass!.BeginProbe();
        CircuitModel.End(pass.Of(CircuitModel.NewCall()), failure);
    }

    private static void Repeat(int times, Action action)
    {
        for (var i = 0; i < times; i++)
        {
            action();
        }
    }
}
