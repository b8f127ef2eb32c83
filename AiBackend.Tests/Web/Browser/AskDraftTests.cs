using AiBackend.ApiContracts.Operations;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>What a reader wrote and chose is still there after a reload, and is sent once.</summary>
public sealed class AskDraftTests(BrowserFixture browser) : StubbedSite(browser)
{
    private protected override void Prepare() =>
        Api.Providers = [new ProviderInfo("first", "model-a", true), new ProviderInfo("second", "model-b", true)];

    [Fact]
    public async Task What_was_sent_without_an_answer_is_the_same_request_after_a_reload()
    {
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.OpenAsync("/ask");
        await Prompt(visit.Page).FillAsync("To the second model.");
        await Model(visit.Page).SelectOptionAsync("model-b");
        Api.RefusesSubmissions = true;
        await Send(visit.Page).ClickAsync();
        await visit.Page.GetByText("Press the button again").WaitForAsync();

        await visit.Page.ReloadAsync();
        await visit.Page.Locator("main[data-interactive]").WaitForAsync();
        await Assertions.Expect(Prompt(visit.Page)).ToHaveValueAsync("To the second model.");
        await Assertions.Expect(Model(visit.Page)).ToHaveValueAsync("model-b");
        Api.RefusesSubmissions = false;
        await Send(visit.Page).ClickAsync();
        await Visit.ShowsRunAsync(visit.Page);

        Assert.True(Api.Submitted.Count > 1);
        var (_, body) = Assert.Single(Api.Submitted.Distinct());
        Assert.Contains("model-b", body, StringComparison.Ordinal);
        Assert.Equal(0, await DraftsAsync(visit.Page));
        visit.AssertClean();
    }

    [Fact]
    public async Task A_text_asked_again_comes_with_its_model_and_once_edited_stays_edited()
    {
        await using var visit = await Visit.BeginAsync(Browser.Browser, Site.Address);
        await visit.OpenAsync("/ask");
        await Prompt(visit.Page).FillAsync("The old text.");
        await Model(visit.Page).SelectOptionAsync("model-b");
        await Send(visit.Page).ClickAsync();
        await Visit.ShowsRunAsync(visit.Page);
        var again = $"/ask?again={Api.Runs[0].Id}";

        await visit.OpenAsync(again);
        await Assertions.Expect(Prompt(visit.Page)).ToHaveValueAsync("The old text.");
        await Assertions.Expect(Model(visit.Page)).ToHaveValueAsync("model-b");
        await Prompt(visit.Page).FillAsync("The new text.");
        await visit.Page.ReloadAsync();
        await visit.Page.Locator("main[data-interactive]").WaitForAsync();

        await Assertions.Expect(Prompt(visit.Page)).ToHaveValueAsync("The new text.");
        await Assertions.Expect(Model(visit.Page)).ToHaveValueAsync("model-b");
        await visit.Page.Locator("#nav").GetByRole(AriaRole.Link, new() { Name = "Ask" }).ClickAsync();
        await Assertions.Expect(Prompt(visit.Page)).ToHaveValueAsync("");
        await visit.Page.GoBackAsync();
        await Assertions.Expect(Prompt(visit.Page)).ToHaveValueAsync("The new text.");
        visit.AssertClean();
    }

    private static ILocator Prompt(IPage page) => page.Locator("#prompt");

    private static ILocator Model(IPage page) => page.Locator("#model");

    private static ILocator Send(IPage page) => page.GetByRole(AriaRole.Button, new() { Name = "Send" });

    private static Task<int> DraftsAsync(IPage page) =>
        page.EvaluateAsync<int>("Object.keys(sessionStorage).filter(name => name.startsWith('ask.draft') || name === 'ask.key').length");
}
