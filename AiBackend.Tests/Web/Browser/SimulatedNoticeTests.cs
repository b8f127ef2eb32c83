using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Operations;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>Nobody takes a simulated answer for a real one.</summary>
public sealed class SimulatedNoticeTests(BrowserFixture browser) : StubbedSite(browser)
{
    private static readonly ProviderInfo Simulated = new("simulator", "sim", true);
    private static readonly ProviderInfo Real = new("openai", "gpt-x", false);

    [Fact]
    public async Task Every_page_says_once_that_the_model_is_simulated_from_its_first_bytes()
    {
        var run = Jobs.Some(JobStatuses.Queued);
        (Api.Runs, Api.Providers) = ([run], [Simulated]);

        foreach (var path in (string[])["/ask", "/runs", "/runs?status=failed", $"/runs/{run.Id}", "/runs/none", "/ops"])
        {
            // A page does not wait long for this line, and what renders for the first time may be slow.
            await Eventually.TrueAsync(
                async token =>
                {
                    using var response = await Site.Http.GetAsync(path, token);
                    return (await response.Content.ReadAsStringAsync(token)).Split("data-simulated").Length == 2;
                },
                $"{path} says it once",
                TimeSpan.FromSeconds(30)
            );
        }
    }

    [Fact]
    public async Task A_page_that_could_not_learn_it_at_first_says_it_as_soon_as_it_can()
    {
        (Api.Providers, Api.HidesProviders) = ([Simulated], true);
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.OpenAsync("/runs");
        var asked = Api.CountOf("/api/v1/providers");
        await Eventually.TrueAsync(() => Api.CountOf("/api/v1/providers") > asked, "it asks again");
        Assert.Equal(0, await Notice(visit.Page).CountAsync());

        Api.HidesProviders = false;

        await Assertions.Expect(Notice(visit.Page)).ToBeVisibleAsync();
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Overview" }).ClickAsync();
        await visit.Page.GetByRole(AriaRole.Heading, new() { Name = "Overview" }).WaitForAsync();
        await Assertions.Expect(Notice(visit.Page)).ToBeVisibleAsync();
        await visit.OpenAsync("/nowhere");
        await Assertions.Expect(Notice(visit.Page)).ToBeVisibleAsync();
        visit.AssertClean();
    }

    [Fact]
    public async Task A_run_says_who_served_it_whatever_theSite_uses_now()
    {
        var fake = Jobs.Some(JobStatuses.Processing) with { ServedBy = By(Simulated) };
        var genuine = Jobs.Some(JobStatuses.Processing) with { ServedBy = By(Real) };
        (Api.Runs, Api.Providers) = ([fake, genuine], [Real]);
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.OpenAsync("/runs");
        await Assertions.Expect(Notice(visit.Page)).ToHaveCountAsync(0);

        await visit.Page.Locator($"a[href='runs/{fake.Id}']").ClickAsync();
        await Assertions.Expect(Notice(visit.Page)).ToBeVisibleAsync();
        await visit.Page.GoBackAsync();
        await Assertions.Expect(Notice(visit.Page)).ToHaveCountAsync(0);

        Api.Providers = [Simulated];
        await visit.OpenAsync("/runs");
        await Assertions.Expect(Notice(visit.Page)).ToBeVisibleAsync();
        await visit.Page.Locator($"a[href='runs/{genuine.Id}']").ClickAsync();
        await Assertions.Expect(Notice(visit.Page)).ToHaveCountAsync(0);
        visit.AssertClean();
    }

    private static ServedBy By(ProviderInfo provider) => new(provider.Name, provider.Model, null, 0, provider.Simulated);

    private static ILocator Notice(IPage page) => page.Locator("[data-simulated]");
}
