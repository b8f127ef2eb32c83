using AiBackend.Core.Queue.Order;

namespace AiBackend.Tests.Queue.Order;

public sealed class LengthSplitTests
{
    // 80 % of 0.2 s, 20 % of 8 s.
    private static readonly LengthLoad[] Mixed =
    [
        new(JobLength.Of(TimeSpan.FromSeconds(0.2)), 800, 160),
        new(JobLength.Of(TimeSpan.FromSeconds(8)), 200, 1600),
    ];

    [Fact]
    public void So_many_slots_are_kept_as_the_short_work_fills()
    {
        Assert.Equal(new LengthSplit(9, 1), LengthSplit.Of(Mixed, 8));
        Assert.Equal(10, LengthSplit.Of(Mixed, 100).Kept);
    }

    [Fact]
    public void None_are_kept_of_few_slots_or_where_all_jobs_are_about_as_long()
    {
        Assert.Equal(LengthSplit.None, LengthSplit.Of(Mixed, 4));
        Assert.Equal(LengthSplit.None, LengthSplit.Of([new(10, 50, 50), new(11, 50, 100)], 8));
        Assert.Equal(LengthSplit.None, LengthSplit.Of([Mixed[1]], 8));
        Assert.Equal(LengthSplit.None, LengthSplit.Of([], 8));
    }

    [Fact]
    public void Short_work_that_would_fill_most_slots_is_not_favoured()
    {
        Assert.Equal(LengthSplit.None, LengthSplit.Of([new(10, 1000, 1000), new(14, 10, 160)], 8));
    }
}
