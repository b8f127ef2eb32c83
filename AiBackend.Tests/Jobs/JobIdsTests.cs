using AiBackend.Core.Jobs;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Jobs;

/// <summary>Ids of jobs sort in the order in which they were made.</summary>
public sealed class JobIdsTests
{
    private readonly FakeTime _clock = new();

    [Fact]
    public void Ids_of_one_moment_keep_their_order()
    {
        var ids = new JobIds(_clock);

        var made = Enumerable.Range(0, 10_000).Select(_ => ids.Next()).ToList();

        Assert.Equal(made.Order(), made);
        Assert.Equal(made.Count, made.Distinct().Count());
    }

    [Fact]
    public void A_clock_that_steps_back_does_not_turn_the_order_round()
    {
        var ids = new JobIds(new StepsBack());

        var made = Enumerable.Range(0, 100).Select(_ => ids.Next()).ToList();

        Assert.Equal(made.Order(), made);
    }

    [Fact]
    public void An_id_is_a_UUIDv7_of_its_moment()
    {
        var id = new JobIds(_clock).Next();

        Assert.Equal((7, 2), (id.Version, id.Variant >> 2));
        Assert.InRange(id, JobIds.FirstOf(_clock.GetUtcNow()), JobIds.FirstOf(_clock.GetUtcNow().AddMilliseconds(1)));
    }

    [Fact]
    public void A_later_moment_of_the_same_millisecond_gives_a_later_id_in_another_process()
    {
        var earlier = new JobIds(_clock).Next();
        _clock.Advance(TimeSpan.FromMicroseconds(10));

        var later = new JobIds(_clock).Next();

        Assert.True(earlier.CompareTo(later) < 0);
    }

    private sealed class StepsBack : TimeProvider
    {
        private DateTimeOffset _now = DateTimeOffset.UnixEpoch.AddYears(60);

        public override DateTimeOffset GetUtcNow() => _now = _now.AddMilliseconds(-5);
    }
}
