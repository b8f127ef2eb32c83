using System.Text.RegularExpressions;
using AiBackend.ApiContracts.Operations;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>Operators see that new jobs are refused, and by which limit, without asking.</summary>
public sealed class FullQueueTests(BrowserFixture browser) : StubbedSite(browser)
{
    [Fact]
    public async Task L_4_the_overview_says_that_the_queue_is_full_and_stops_saying_it_when_it_is_not()
    {
        Api.Capacity = new QueueCapacityInfo(100_000, 100_000, 50, 2_000, "max_queued");
        Api.Calibration = new Calibration(200, 0.52, 0.88);
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.OpenAsync("/ops");
        var banner = visit.Page.Locator("[data-full]");

        await Assertions
            .Expect(visit.Page.Locator("[data-calibration]"))
            .ToHaveTextAsync(
                "Of 200 jobs that were told how long to wait, 52 % began within the typical time and 88 % within the longer one (50 % and 90 % would be right)."
            );
        await Assertions.Expect(banner).ToContainTextAsync(new Regex("The queue is full: 100.000 jobs wait, and new ones are refused"));
        Api.Capacity = new QueueCapacityInfo(900, 100_000, 2, 450, "max_wait");
        await Assertions.Expect(banner).ToContainTextAsync("New jobs are refused: they would wait for about 7 min 30 s.");
        Api.Capacity = new QueueCapacityInfo(900, 100_000, 50, 18, null);
        await Assertions.Expect(banner).ToHaveCountAsync(0);
        visit.AssertClean();
    }
}
