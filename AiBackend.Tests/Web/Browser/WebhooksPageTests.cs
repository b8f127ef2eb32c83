using AiBackend.Tests.EndToEnd;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>A webhook is made, tested and looked at, on the whole stack. Its receiver does not exist.</summary>
[Collection(StackCollection.Name)]
public sealed class WebhooksPageTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    // Nobody answers for names of this kind, so that the guard refuses the address at every try.
    private const string Nobody = "https://hooks.invalid/ai";

    [Fact]
    public async Task A_webhook_shows_its_secret_once_and_every_try_of_a_message_and_sends_it_again()
    {
        await using var visit = await BeginAsync();
        var page = visit.Page;
        await visit.OpenAsync("/webhooks");
        await page.GetByLabel("Address", new() { Exact = true }).FillAsync("http://127.0.0.1/");
        await page.GetByRole(AriaRole.Button, new() { Name = "Add webhook", Exact = true }).ClickAsync();
        await Assertions.Expect(page.Locator(".notice-failed")).ToContainTextAsync("url has the scheme http; only https is allowed");
        await page.GetByLabel("Address", new() { Exact = true }).FillAsync(Nobody);
        await page.GetByRole(AriaRole.Button, new() { Name = "Add webhook", Exact = true }).ClickAsync();
        await Assertions
            .Expect(page.Locator("[data-secret] code"))
            .ToHaveAttributeAsync("title", new System.Text.RegularExpressions.Regex("^whsec_"));

        await page.GetByRole(AriaRole.Link, new() { Name = "Send a test message", Exact = true }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Send a test message", Exact = true }).ClickAsync();
        var row = page.Locator("[data-message]").First;
        // The first of those that are there: five seconds later there is another one.
        await Assertions
            .Expect(row.Locator("ol li").First)
            .ToContainTextAsync("the address may not be reached", new() { Timeout = 60_000 });
        await Assertions.Expect(row).ToContainTextAsync("webhook.test");
        await row.GetByRole(AriaRole.Button, new() { Name = "Send again", Exact = true }).ClickAsync();
        await Assertions.Expect(row.Locator("ol li").Nth(1)).ToBeVisibleAsync(new() { Timeout = 60_000 });

        await page.GetByRole(AriaRole.Button, new() { Name = "Turn this webhook off", Exact = true }).ClickAsync();
        await Assertions.Expect(page.Locator(".page-head .status")).ToHaveTextAsync("Off");
        Assert.DoesNotContain("whsec_", await page.ContentAsync(), StringComparison.Ordinal);
        visit.AssertClean();
    }

    [Fact]
    public async Task A_source_of_messages_is_added_turned_off_given_a_new_secret_and_removed()
    {
        await using var visit = await BeginAsync();
        var page = visit.Page;
        await visit.OpenAsync("/webhooks");
        await page.GetByRole(AriaRole.Button, new() { Name = "Add source", Exact = true }).ClickAsync();
        await Assertions.Expect(page.Locator(".notice-failed")).ToContainTextAsync("name is empty");

        await page.GetByLabel("Source", new() { Exact = true }).FillAsync("crm of a test");
        await page.GetByLabel("Prompt template").FillAsync("Summarise {{data.text}}");
        // Twice in a row adds one.
        await page.GetByRole(AriaRole.Button, new() { Name = "Add source", Exact = true }).DblClickAsync();
        var secret = page.Locator("[data-source-secret] code").First;
        await Assertions.Expect(secret).ToHaveAttributeAsync("title", new System.Text.RegularExpressions.Regex("^whsec_"));
        var first = await secret.GetAttributeAsync("title");
        var row = page.Locator("[data-source='crm of a test']");
        await Assertions.Expect(row).ToContainTextAsync("Summarise {{data.text}}");
        await row.GetByRole(AriaRole.Button, new() { Name = "New secret for crm of a test" }).ClickAsync();
        await Assertions.Expect(page.Locator("[data-source-secret]")).ToContainTextAsync("for 24 hours more");
        Assert.NotEqual(first, await secret.GetAttributeAsync("title"));
        await row.GetByRole(AriaRole.Button, new() { Name = "Turn off crm of a test" }).ClickAsync();
        await Assertions.Expect(row.Locator(".status")).ToHaveTextAsync("Off");
        await Assertions.Expect(page.Locator("[data-source-secret]")).ToHaveCountAsync(0);
        await row.GetByRole(AriaRole.Button, new() { Name = "Remove crm of a test" }).ClickAsync();
        await page.Locator("[data-review]").GetByRole(AriaRole.Button, new() { Name = "Remove crm of a test" }).ClickAsync();

        await Assertions.Expect(row).ToHaveCountAsync(0);
        visit.AssertClean();
    }

    private Task<Visit> BeginAsync() => Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
}
