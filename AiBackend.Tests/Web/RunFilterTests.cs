using AiBackend.Web.Runs;

namespace AiBackend.Tests.Web;

public sealed class RunFilterTests
{
    [Fact]
    public void U_1_every_filter_is_an_address_that_leads_back_to_it() =>
        Assert.All(
            RunFilter.All,
            filter =>
            {
                var query = new Uri("http://x/" + filter.Address()).Query.TrimStart('?').Split('=').ElementAtOrDefault(1);

                Assert.Same(filter, RunFilter.Of(query));
            }
        );

    [Fact]
    public void An_unknown_filter_shows_everything() => Assert.Empty(RunFilter.Of("nonsense").Statuses);

    [Fact]
    public void A_cursor_is_kept_as_it_is() => Assert.Equal("runs?status=failed&cursor=a%2Bb%3D", RunFilter.Of("failed").Address("a+b="));

    [Fact]
    public void Every_status_but_all_belongs_to_exactly_one_filter()
    {
        var statuses = RunFilter.All.SelectMany(filter => filter.Statuses).ToList();

        Assert.Equal(10, statuses.Count);
        Assert.Equal(10, statuses.Distinct(StringComparer.Ordinal).Count());
    }
}
