using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>A tab nobody looks at costs the Api nothing.</summary>
public sealed class HiddenOverviewTests(BrowserFixture browser) : StubbedSite(browser)
{
    private const string Hide = "Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });";

    [Fact]
    public async Task U_55_a_hidden_overview_asks_nothing_and_catches_up_when_it_is_seen()
    {
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.OpenAsync("/ops");
        await ShowsAsync(visit.Page, "Live");

        await SetVisibilityAsync(visit.Page, "hidden");
        await ShowsAsync(visit.Page, "Paused");
        await AssertAsksNothingAsync(visit);
        var asked = Api.CountOf("/api/v1/stats");
        await SetVisibilityAsync(visit.Page, "visible");

        await ShowsAsync(visit.Page, "Live");
        Assert.True(Api.CountOf("/api/v1/stats") > asked);
        visit.AssertClean();
    }

    [Fact]
    public async Task U_55_an_overview_opened_in_the_background_asks_nothing_from_the_start()
    {
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.Page.AddInitScriptAsync(Hide);

        await visit.OpenAsync("/ops");

        await ShowsAsync(visit.Page, "Paused");
        await AssertAsksNothingAsync(visit);
        visit.AssertClean();
    }

    [Fact]
    public async Task U_55_a_change_that_an_outage_swallowed_is_told_when_the_circuit_is_back()
    {
        IWebSocketRoute? line = null;
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.Page.RouteWebSocketAsync(
            "**/_blazor*",
            opened =>
            {
                line = opened;
                opened.ConnectToServer();
            }
        );
        await visit.OpenAsync("/ops");
        // Once it was seen to listen, what follows is about the outage alone.
        await SetVisibilityAsync(visit.Page, "hidden");
        await ShowsAsync(visit.Page, "Paused");
        await SetVisibilityAsync(visit.Page, "visible");
        await ShowsAsync(visit.Page, "Live");

        // The page is hidden and no event tells it, as when the line is down at that moment.
        await visit.Page.EvaluateAsync(Hide);
        visit.ToleratesOutage = true;
        await line!.CloseAsync(new() { Code = 1011 });

        await ShowsAsync(visit.Page, "Paused");
    }

    /// <summary>Meanwhile another tab, which is seen, refreshes several times.</summary>
    private async Task AssertAsksNothingAsync(Visit visit)
    {
        var other = await visit.NewTabAsync();
        await Visit.OpenAsync(other, "/runs");
        var (asked, listed) = (Api.CountOf("/api/v1/stats"), Api.CountOf("/api/v1/jobs"));
        await Eventually.TrueAsync(() => Api.CountOf("/api/v1/jobs") >= listed + 3, "the other tab refreshes", TimeSpan.FromSeconds(20));
        Assert.Equal(asked, Api.CountOf("/api/v1/stats"));
        await other.CloseAsync();
    }

    private static Task ShowsAsync(IPage page, string words) => Assertions.Expect(page.Locator("[data-live]")).ToContainTextAsync(words);

    private static async Task SetVisibilityAsync(IPage page, string state) =>
        await page.EvaluateAsync(
            """
            state => {
              Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
              document.dispatchEvent(new Event('visibilitychange'));
            }
            """,
            state
        );
}
