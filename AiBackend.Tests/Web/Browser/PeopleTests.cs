using System.Net;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Web.Browser;

/// <summary>An administrator and a viewer at the pages of users and keys, in front of the real Api.</summary>
public sealed class PeopleTests(PostgresServer postgres, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private const string Password = "correct horse battery";

    [Fact]
    public async Task U_45_u_50_and_a_17_an_administrator_makes_users_and_keys_and_a_viewer_sees_why_buttons_are_off()
    {
        await using var api = new ApiServer(postgres);
        await api.InitializeAsync();
        await SendAsync(
            api.Http,
            HttpMethod.Post,
            "/api/v1/users",
            $$"""{"email":"root@example.com","role":"admin","password":"{{Password}}"}"""
        );
        await SendAsync(api.Http, HttpMethod.Post, "/api/v1/tenants", """{"slug":"lab","name":"The lab","organisation":"default"}""");
        using var site = await SiteProcess.StartAsync("Development", api.Address, requireSignIn: true);
        await using var admin = await SignInAsync(site, "root@example.com", Password);
        await using var viewer = await AddViewerAsync(admin, site);

        await LooksOnlyAsync(viewer);
        await UsesKeysAsync(admin, api);
        await WorksElsewhereAsync(admin);
        await SwitchesInAnotherTabAsync(admin);

        // Disabling ends the viewer's page, too.
        await admin.OpenAsync("/users");
        await admin.Page.GetByRole(AriaRole.Button, new() { Name = "Disable vera@example.com" }).ClickAsync();
        await Assertions.Expect(admin.Page.Locator("[data-user='vera@example.com']")).ToContainTextAsync("Disabled");
        await Assertions.Expect(viewer.Page).ToHaveURLAsync(new System.Text.RegularExpressions.Regex("/sign-in"));
        admin.AssertClean();
    }

    /// <summary>The new user gets a password that is shown once, and works.</summary>
    private async Task<Visit> AddViewerAsync(Visit admin, SiteProcess site)
    {
        var page = admin.Page;
        await admin.OpenAsync("/users");
        await Assertions.Expect(page.Locator("[data-user='root@example.com']")).ToContainTextAsync("(you)");
        await page.GetByLabel("E-mail address").FillAsync("vera");
        await page.GetByRole(AriaRole.Button, new() { Name = "Add user" }).ClickAsync();
        await Assertions.Expect(page.Locator(".notice-failed")).ToContainTextAsync("it must be an address");
        await page.GetByLabel("E-mail address").FillAsync("vera@example.com");
        await page.GetByLabel("Role", new() { Exact = true }).SelectOptionAsync("member");
        // Twice in a row adds one, whose password stays readable.
        await page.GetByRole(AriaRole.Button, new() { Name = "Add user" }).DblClickAsync();
        var first = (await page.Locator("[data-secret] code").GetAttributeAsync("title"))!;
        await page.GetByLabel("Role of vera@example.com").SelectOptionAsync("viewer");
        await Assertions.Expect(page.Locator("[data-secret]")).ToHaveCountAsync(0);
        await page.GetByRole(AriaRole.Button, new() { Name = "New password for vera@example.com" }).ClickAsync();
        var second = (await page.Locator("[data-secret] code").GetAttributeAsync("title"))!;
        Assert.NotEqual(first, second);
        Assert.Matches("^[a-zA-Z2-9]{20}$", second);
        return await SignInAsync(site, "vera@example.com", second);
    }

    private static async Task LooksOnlyAsync(Visit viewer)
    {
        var page = viewer.Page;
        await viewer.OpenAsync("/ask");
        await Assertions.Expect(page.GetByRole(AriaRole.Button, new() { Name = "Send" })).ToBeDisabledAsync();
        await Assertions
            .Expect(page.Locator("[data-needs='jobs:write']").First)
            .ToHaveAttributeAsync(
                "title",
                "Your role is viewer, which may not do this. An administrator of your organisation can give you the role member."
            );
        await Assertions.Expect(page.Locator("#nav")).ToContainTextAsync("Dead letters");
        Assert.Equal(0, await page.Locator("#nav a[href=users], #nav a[href=keys], #nav a[href=webhooks]").CountAsync());
        // Whoever knows the address is refused by the Api, not by the menu.
        await viewer.OpenAsync("/users");
        await Assertions.Expect(page.Locator(".notice-failed")).ToContainTextAsync("GET /api/v1/users");
        await viewer.OpenAsync("/ops");
        await Assertions.Expect(page.GetByRole(AriaRole.Button, new() { Name = "Hold back" })).ToBeDisabledAsync();
        viewer.AssertClean();
    }

    private static async Task UsesKeysAsync(Visit admin, ApiServer api)
    {
        var page = admin.Page;
        await admin.OpenAsync("/keys");
        await page.GetByLabel("Name").FillAsync("web shop");
        await page.Locator("[data-new-key] summary").ClickAsync();
        await page.GetByLabel("Requests a minute").FillAsync("600");
        await page.GetByLabel("Only these models").FillAsync("default, gpt-4.1*");
        await page.GetByRole(AriaRole.Button, new() { Name = "Create key" }).ClickAsync();
        var value = (await page.Locator("[data-secret] code").GetAttributeAsync("title"))!;
        Assert.Equal(HttpStatusCode.OK, await ReadAsync(api, value));
        var row = page.Locator("[data-key]", new() { HasText = "web shop" });
        await Assertions.Expect(row).ToContainTextAsync("600 requests a minute · models default, gpt-4.1*");

        await row.GetByRole(AriaRole.Button, new() { Name = "Roll" }).ClickAsync();
        await Assertions.Expect(row).ToHaveCountAsync(2);
        await Assertions.Expect(page.Locator("[data-secret] code")).Not.ToHaveAttributeAsync("title", value);
        var next = (await page.Locator("[data-secret] code").GetAttributeAsync("title"))!;
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (await ReadAsync(api, value), await ReadAsync(api, next)));
        await row.Filter(new() { HasText = "Rolled to" }).GetByRole(AriaRole.Button, new() { Name = "Revoke" }).ClickAsync();
        await page.Locator("[data-review]").GetByRole(AriaRole.Button, new() { Name = "Revoke" }).DblClickAsync();
        await Assertions.Expect(row.Filter(new() { HasText = "Revoked" })).ToHaveCountAsync(1);
        await Assertions.Expect(page.Locator(".notice-failed")).ToHaveCountAsync(0);
        await Eventually.TrueAsync(
            async _ => await ReadAsync(api, value) is HttpStatusCode.Unauthorized,
            "the key is refused",
            TimeSpan.FromSeconds(15)
        );

        await admin.OpenAsync("/keys");
        Assert.DoesNotContain(next, await page.ContentAsync(), StringComparison.Ordinal);
    }

    private static async Task WorksElsewhereAsync(Visit admin)
    {
        var page = admin.Page;
        await SwitchAsync(page, "lab");
        await admin.OpenAsync("/keys");
        await Assertions.Expect(page.Locator("main")).ToContainTextAsync("No keys");
        await SwitchAsync(page, "default");
    }

    /// <summary>A page of the project before does nothing in the other one, and says why.</summary>
    private static async Task SwitchesInAnotherTabAsync(Visit admin)
    {
        var (keys, users) = (await admin.NewTabAsync(), await admin.NewTabAsync());
        await Visit.OpenAsync(keys, "/keys");
        await Visit.OpenAsync(users, "/users");
        await keys.GetByLabel("Name").FillAsync("stray");

        await SwitchAsync(admin.Page, "lab");
        await keys.GetByRole(AriaRole.Button, new() { Name = "Create key" }).ClickAsync();
        await users.GetByLabel("Role of vera@example.com").SelectOptionAsync("member");

        foreach (var page in (IPage[])[keys, users])
        {
            await Assertions.Expect(page.Locator(".notice-failed").First).ToContainTextAsync("The project was switched in another tab");
        }

        // What was refused is not shown as if it were so.
        await Assertions.Expect(users.GetByLabel("Role of vera@example.com")).ToHaveValueAsync("viewer");
        await keys.GetByRole(AriaRole.Button, new() { Name = "Reload the page" }).First.ClickAsync();
        await Assertions.Expect(keys.GetByLabel("Project")).ToHaveValueAsync("lab");
        await Assertions.Expect(keys.Locator("main")).ToContainTextAsync("No keys");
        await keys.CloseAsync();
        await SwitchAsync(admin.Page, "default");
        await Assertions.Expect(users.Locator("main > .notice-failed")).ToHaveCountAsync(0);
        await users.CloseAsync();
    }

    private static async Task SwitchAsync(IPage page, string project)
    {
        await page.GetByLabel("Project").SelectOptionAsync(project);
        await page.GetByRole(AriaRole.Button, new() { Name = "Work there" }).ClickAsync();
        await page.WaitForURLAsync("**/ask");
        await Assertions.Expect(page.GetByLabel("Project")).ToHaveValueAsync(project);
    }

    private static async Task<HttpStatusCode> ReadAsync(ApiServer api, string key)
    {
        using var response = await api.Client(key).GetAsync("/api/v1/jobs", TestRun.Cancel);
        return response.StatusCode;
    }

    private async Task<Visit> SignInAsync(SiteProcess site, string email, string password)
    {
        var visit = await Visit.BeginAsync(browser.Browser, site.Address);
        await visit.Page.GotoAsync("/sign-in");
        await visit.Page.GetByLabel("E-mail address").FillAsync(email);
        await visit.Page.GetByLabel("Password").FillAsync(password);
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await visit.Page.Locator("main[data-interactive]").WaitForAsync();
        return visit;
    }
}
