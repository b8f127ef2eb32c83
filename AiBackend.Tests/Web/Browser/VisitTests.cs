using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Web.Browser;

/// <summary>The watch that every browser test relies on sees what it is there to see.</summary>
public sealed class VisitTests(SiteAlone alone, BrowserFixture browser) : IClassFixture<SiteAlone>, IClassFixture<BrowserFixture>
{
    [Theory]
    [InlineData("an error in the console", "console.error('broken')", "console: broken")]
    [InlineData("an exception nobody caught", "setTimeout(() => { throw new Error('broken') })", "script:")]
    [InlineData("a dialog", "setTimeout(() => alert('broken'))", "dialog: broken")]
    [InlineData("a status of 404", "void fetch('/missing')", "404:")]
    [InlineData("a request that failed", "void fetch('/refused').catch(() => {})", "net::ERR_CONNECTION_REFUSED")]
    [InlineData(
        "a foreign request",
        "document.body.append(Object.assign(new Image(), { src: 'http://foreign.invalid/' }))",
        "policy: img-src"
    )]
    [InlineData(
        "a script the policy forbids",
        "document.body.append(Object.assign(document.createElement('script'), { textContent: '1' }))",
        "policy: script-src"
    )]
    [InlineData(
        "a part of the page that broke",
        "document.body.insertAdjacentHTML('beforeend', '<p role=alert>This part of the page ran into a defect.</p>')",
        "console: defect"
    )]
    public async Task U_60_the_watch_of_every_browser_test_sees(string fault, string script, string told)
    {
        await using var visit = await Visit.BeginAsync(browser.Browser, alone.Site.Address);
        await visit.Page.RouteAsync("**/refused", route => route.AbortAsync("connectionrefused"));
        visit.Page.Dialog += (_, dialog) => _ = dialog.DismissAsync();
        await visit.OpenAsync("/nowhere");
        visit.AssertClean();

        await visit.Page.EvaluateAsync(script);

        await Eventually.TrueAsync(() => visit.Faults.Any(each => each.Contains(told, StringComparison.Ordinal)), $"{fault} is seen");
        Assert.ThrowsAny<Exception>(visit.AssertClean);
    }
}
