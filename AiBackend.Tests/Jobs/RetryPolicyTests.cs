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
                        Longer(RetryPolicy.Cap, (given.retryAfter ?? TimeSpan.Zero) + TimeSpan.FromSeconds(1))
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
        Assert.Equal(RetryPolicy.Cap, Bound(60));
    }

    private static TimeSpan Longer(TimeSpan left, TimeSpan right) => left > right ? left : right;
}
