using AiBackend.ApiContracts.Money;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>The page of costs sums everything again only when something was added, and only while somebody looks.</summary>
public sealed class QuietCostsTests(BrowserFixture browser) : StubbedSite(browser)
{
    private const string Sums = "/api/v1/usage?group_by=feature";

    [Fact]
    [Trait("Category", "Long")]
    public async Task U_55_costs_are_read_again_when_they_moved_and_not_while_nobody_looks()
    {
        Api.Usage = [Row(3)];
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.OpenAsync("/costs?by=feature");
        var calls = visit.Page.Locator(".tile:has(dt:text-is('Calls')) .tile-value");
        await Assertions.Expect(calls).ToContainTextAsync("3");
        await AsksAsync(2);
        var sums = Api.CountOf(Sums);
        await AsksAsync(2);
        Assert.Equal(sums, Api.CountOf(Sums));

        Api.Usage = [Row(4)];
        await Assertions.Expect(calls).ToContainTextAsync("4", new() { Timeout = 20_000 });

        await visit.Page.EvaluateAsync(
            "Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true }); document.dispatchEvent(new Event('visibilitychange'))"
        );
        var other = await visit.NewTabAsync();
        await Visit.OpenAsync(other, "/runs");
        // What was under way when the page was hidden has ended by then.
        await ListsAsync(2);
        var asked = Api.CountOf("/api/v1/usage");
        await ListsAsync(5);
        Assert.Equal(asked, Api.CountOf("/api/v1/usage"));
        visit.AssertClean();
    }

    private Task AsksAsync(int more) => MoreAsync("/api/v1/usage", more);

    private Task ListsAsync(int more) => MoreAsync("/api/v1/jobs", more);

    private async Task MoreAsync(string path, int more)
    {
        var before = Api.CountOf(path);
        await Eventually.TrueAsync(
            () => Api.CountOf(path) >= before + more,
            $"{path} is asked {more} times more",
            TimeSpan.FromSeconds(40)
        );
    }

    private static UsageRow Row(long calls) =>
        new()
        {
            Feature = "support",
            Calls = calls,
            CostUsd = 0.25m,
        };
}
