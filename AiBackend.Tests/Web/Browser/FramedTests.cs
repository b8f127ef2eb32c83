using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web.Browser;

/// <summary>A page of another site around ours.</summary>
public sealed class FramedTests(BrowserFixture browser) : StubbedSite(browser)
{
    [Fact]
    public async Task A_23_no_other_site_shows_a_page_of_ours_in_a_frame()
    {
        await using var context = await Browser.Browser.NewContextAsync();
        var page = await context.NewPageAsync();

        // Beside it something that may be framed, so that a refusal is the page's own.
        await page.GotoAsync($"{Api.Address}framing?of={Site.Address}ask&of={Api.Address}api/v1/routes");

        await Eventually.TrueAsync(
            () =>
                page.Frames.Any(frame => frame.Url.StartsWith("chrome-error:", StringComparison.Ordinal))
                && page.Frames.Any(frame => frame.Url.EndsWith("/api/v1/routes", StringComparison.Ordinal)),
            "one frame is refused and the other is shown",
            TimeSpan.FromSeconds(20)
        );
        Assert.DoesNotContain(page.Frames, frame => frame.Url.StartsWith(Site.Address.ToString(), StringComparison.Ordinal));
    }
}
