using AiBackend.Core.Jobs;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Jobs;

public sealed class RetryPolicyTests
{
    private static readonly Gen<TimeSpan?> Wait = Gen.OneOf(
        Gen.Constant<TimeSpan?>(null),
        Gen.Choose(0, 600_000).Select(milliseconds => (TimeSpan?)TimeSpan.FromMilliseconds(milliseconds))
    );

    [Fact]
    public void P_7_a_delay_is_within_the_bound_respects_retry_after_and_never_crosses_the_deadline() =>
        Prop.ForAll(
                (
                    from failures in Gen.Choose(1, 100)
                    from retryAfter in Wait
                    from timeLeft in Wait
                    from random in Gen.Choose(0, 999_999)
                    select (failures, retryAfter, timeLeft, random: random / 1_000_000d)
                ).ToArbitrary(),
                given =>
                {
                    var delay = RetryPolicy.NextDelay(given.failures, given.retryAfter, given.timeLeft, given.random);

                    if (delay is null)
                    {
                        Assert.NotNull(given.timeLeft);
                        return;
                    }

                    Assert.InRange(
                        delay.Value,
                        TimeSpan.Zero,
                        Longer(Backoff.Usual.Max, (given.retryAfter ?? TimeSpan.Zero) + TimeSpan.FromSeconds(1))
                    );
                    Assert.True(delay >= (given.retryAfter ?? TimeSpan.Zero));
                    Assert.True(given.timeLeft is null || delay < given.timeLeft);
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [Fact]
    public void The_bound_doubles_with_every_failure_until_the_cap()
    {
        static TimeSpan Bound(int failures) => RetryPolicy.NextDelay(failures, null, null, 1)!.Value;

        Assert.Equal(TimeSpan.FromSeconds(4), Bound(1));
        Assert.Equal(TimeSpan.FromSeconds(8), Bound(2));
        Assert.Equal(TimeSpan.FromSeconds(64), Bound(5));
        Assert.Equal(Backoff.Usual.Max, Bound(60));
    }

    [Fact]
    public void Of_a_backoff_of_its_own_at_least_half_is_waited_and_it_ends_at_its_bound()
    {
        var own = Backoff.Of(initialSeconds: 10, maxSeconds: 60, factor: 3);

        TimeSpan Delay(int failures, double random) => RetryPolicy.NextDelay(failures, null, null, random, own)!.Value;

        Assert.Equal([5, 15, 30, 30], new[] { 1, 2, 3, 100 }.Select(failures => Delay(failures, 0).TotalSeconds));
        Assert.Equal([10, 30, 60, 60], new[] { 1, 2, 3, 100 }.Select(failures => Delay(failures, 1).TotalSeconds));
        Assert.Equal(TimeSpan.FromSeconds(90), RetryPolicy.NextDelay(1, TimeSpan.FromSeconds(90), null, 0, own));
        Assert.Null(RetryPolicy.NextDelay(1, null, TimeSpan.FromSeconds(4), 0, own));
    }

    [Fact]
    public void What_a_backoff_does_not_say_is_usual_and_a_long_first_wait_is_not_cut()
    {
        Assert.Equal(Backoff.Usual, Backoff.Of(null, null, null));
        Assert.Equal(TimeSpan.FromHours(1), Backoff.Of(3600, null, null).BoundAfter(1));
    }

    private static TimeSpan Longer(TimeSpan left, TimeSpan right) => left > right ? left : right;
}
