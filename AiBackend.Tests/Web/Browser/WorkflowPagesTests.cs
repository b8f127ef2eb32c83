using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Web.Browser;

/// <summary>A member and a viewer at the pages of workflows, in front of the real Api.</summary>
public sealed class WorkflowPagesTests(PostgresServer postgres, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private const string Password = "correct horse battery";

    private const string Definition = """
        {"description":"Says what it is given","input":{"type":"object","required":["a"]},"limits":{"max_tokens":1000},
         "steps":[{"name":"ask","type":"chat","max_attempts":3,"messages":[{"role":"user","content":"Say {{input.a}}"}]},
                  {"name":"out","type":"transform","value":"{{steps.ask}}"}]}
        """;

    [Fact]
    public async Task An_empty_page_says_how_to_make_the_first_and_a_workflow_is_shown_with_its_versions_and_steps()
    {
        await using var api = await StartAsync();
        using var site = await SiteProcess.StartAsync("Development", api.Address, requireSignIn: true);
        await using var visit = await SignInAsync(site, "viewer@example.com");
        var page = visit.Page;
        await visit.OpenAsync("/workflows");
        await Assertions.Expect(page.Locator("[data-first-call]")).ToContainTextAsync("/api/v1/workflows/greet");
        await AssertReadableAsync(page);

        await SendAsync(api.Http, HttpMethod.Put, "/api/v1/workflows/say", """{"steps":[{"name":"old","type":"timer","seconds":1}]}""");
        await SendAsync(api.Http, HttpMethod.Put, "/api/v1/workflows/say", Definition);
        await RunAsync(api);
        await visit.OpenAsync("/workflows");

        var row = page.Locator("[data-workflow=say]");
        await Assertions.Expect(row).ToContainTextAsync("Says what it is given");
        Assert.Equal(["2", "2", "1"], await row.Locator("td.num").AllInnerTextsAsync());
        await row.GetByRole(AriaRole.Link).ClickAsync();
        await Assertions.Expect(page.Locator("[data-step=ask]")).ToContainTextAsync("asks default");
        await Assertions.Expect(page.Locator("[data-step=ask]")).ToContainTextAsync("3 tries");
        await Assertions.Expect(page.Locator("[data-step=out]")).ToContainTextAsync("after ask");
        await Assertions.Expect(page.Locator("[data-limits]")).ToContainTextAsync(new System.Text.RegularExpressions.Regex("1.000 tokens"));
        await page.Locator("[data-version='1'] a").ClickAsync();
        await Assertions.Expect(page.Locator("[data-step=old]")).ToContainTextAsync("waits for 1 s");
        await Assertions.Expect(page.Locator("[data-step=ask]")).ToHaveCountAsync(0);
        visit.AssertClean();
    }

    [Fact]
    public async Task U_46_a_run_is_done_again_from_a_step_with_another_input_by_whoever_may_and_nobody_else_sees_the_button()
    {
        await using var api = await StartAsync();
        await SendAsync(api.Http, HttpMethod.Put, "/api/v1/workflows/say", Definition);
        var run = await EndedAsync(api, AttemptEnd.Cancelled(null));
        using var site = await SiteProcess.StartAsync("Development", api.Address, requireSignIn: true);
        await using var visit = await SignInAsync(site, "member@example.com");
        var page = visit.Page;
        await visit.OpenAsync(run);
        await Assertions.Expect(page.Locator("a[data-workflow]")).ToHaveAttributeAsync("href", "workflows/say?version=1");

        await page.Locator("[data-again=out]").ClickAsync();
        await Assertions.Expect(page.GetByLabel("Input of the run, as JSON")).ToHaveValueAsync("{\n  \"a\": 1\n}");
        await AssertReadableAsync(page);
        await AskAsync(page, "{");
        await Assertions.Expect(page.Locator("#again-wrong")).ToContainTextAsync("no JSON");
        await AskAsync(page, "null");
        await Assertions.Expect(page.Locator("#again-wrong")).ToContainTextAsync("null is no input");
        await AskAsync(page, """{"b":1}""");
        await BeginAsync(page);
        await Assertions.Expect(page.Locator("[data-run-again] .notice-failed")).ToContainTextAsync("input");
        await AskAsync(page, """{"a":2}""");
        await Assertions.Expect(page.Locator("[data-run-again] .diff-gone")).ToContainTextAsync("\"a\": 1");
        await Assertions.Expect(page.Locator("[data-run-again] .diff-come")).ToContainTextAsync("\"a\": 2");
        await BeginAsync(page);

        await Assertions.Expect(page).Not.ToHaveURLAsync(new System.Text.RegularExpressions.Regex(run.ToString()));
        await Visit.ShowsRunAsync(page);
        var again = await JobAsync(api, Guid.Parse(page.Url[^36..]));
        Assert.Equal((Guid?)run, again.ReplayOf);
        Assert.Contains("\"a\":2", await InputAsync(api, again.Id), StringComparison.Ordinal);
        visit.AssertClean();

        await using var viewer = await SignInAsync(site, "viewer@example.com");
        await viewer.OpenAsync(run);
        await Assertions.Expect(viewer.Page.Locator("[data-step=succeeded]")).ToHaveCountAsync(1);
        await Assertions.Expect(viewer.Page.Locator("[data-again]")).ToHaveCountAsync(0);
        viewer.AssertClean();
    }

    [Fact]
    public async Task U_44_whoever_does_a_failed_run_again_for_the_second_time_is_told_of_the_first()
    {
        await using var api = await StartAsync();
        await SendAsync(api.Http, HttpMethod.Put, "/api/v1/workflows/say", Definition);
        var run = await EndedAsync(api, AttemptEnd.FailedForGood(Dying.Timeout));
        using var first = await api.Http.PostAsync(
            new Uri($"/api/v1/jobs/{run}/replay", UriKind.Relative),
            new StringContent("""{"from_step":"ask"}""", System.Text.Encoding.UTF8, "application/json"),
            TestRun.Cancel
        );
        var earlier = (await ApiServer.ReadJobAsync(first)).Id;
        await MovedAsync("- interval '1 minute'");
        using var site = await SiteProcess.StartAsync("Development", api.Address, requireSignIn: true);
        await using var visit = await SignInAsync(site, "member@example.com");

        await AgainAsync();
        await Assertions.Expect(visit.Page.Locator("[data-earlier] a")).ToHaveAttributeAsync("href", $"runs/{earlier}");

        // One that is younger than the button is what the button began, whose answer was lost on the way.
        await MovedAsync("+ interval '10 minutes'");
        await AgainAsync();
        await Assertions.Expect(visit.Page).ToHaveURLAsync(new System.Text.RegularExpressions.Regex(earlier.ToString()));
        visit.AssertClean();

        async Task MovedAsync(string by) =>
            await (await api.WorkerAsync()).ExecuteAsync($"UPDATE jobs SET created_at = created_at {by} WHERE id = @id", earlier);

        async Task AgainAsync()
        {
            await visit.OpenAsync(run);
            await visit.Page.Locator("[data-again=ask]").ClickAsync();
            await AskAsync(visit.Page, """{"a":3}""");
            await BeginAsync(visit.Page);
        }
    }

    private async Task<ApiServer> StartAsync()
    {
        var api = new ApiServer(postgres);
        await api.InitializeAsync();
        // Without an administrator the site asks for one before anybody signs in.
        foreach (var role in (string[])["admin", "member", "viewer"])
        {
            await SendAsync(
                api.Http,
                HttpMethod.Post,
                "/api/v1/users",
                $$"""{"email":"{{role}}@example.com","role":"{{role}}","password":"{{Password}}"}"""
            );
        }

        return api;
    }

    private static async Task<Guid> RunAsync(ApiServer api)
    {
        using var begun = await api.Http.PostAsync(
            new Uri("/api/v1/workflows/say/runs", UriKind.Relative),
            new StringContent("""{"input":{"a":1}}""", System.Text.Encoding.UTF8, "application/json"),
            TestRun.Cancel
        );
        return (await ApiServer.ReadJobAsync(begun)).Id;
    }

    /// <summary>A run that has done its first step.</summary>
    private static async Task<Guid> EndedAsync(ApiServer api, AttemptEnd end)
    {
        var run = await RunAsync(api);
        var core = await api.WorkerAsync();
        await core.ExecuteAsync(
            $"""
            INSERT INTO workflow_steps (run_id, name, tenant_id, state, type, output, ended_at)
            VALUES (@id, 'ask', '{ApiKeyStore.DefaultTenant}', 2, 'chat', '"said"', now()), (@id, 'out', '{ApiKeyStore.DefaultTenant}', 3, 'transform', NULL, now())
            """,
            run
        );
        await core.EndAsync(run, end);
        return run;
    }

    private static async Task<Job> JobAsync(ApiServer api, Guid id) =>
        JsonSerializer.Deserialize(
            await api.Http.GetStringAsync(new Uri($"/api/v1/jobs/{id}", UriKind.Relative), TestRun.Cancel),
            WireJson.Default.Job
        )!;

    private static Task<string> InputAsync(ApiServer api, Guid id) =>
        api.Http.GetStringAsync(new Uri($"/api/v1/jobs/{id}/input", UriKind.Relative), TestRun.Cancel);

    private static async Task AskAsync(IPage page, string input)
    {
        await page.GetByLabel("Input of the run, as JSON").FillAsync(input);
        await page.Locator("[data-run-again] button[type=submit]").ClickAsync();
    }

    private static async Task AssertReadableAsync(IPage page) =>
        Assert.Empty(
            (await page.RunAxe(PagesTests.Wcag)).Violations.Select(found =>
                found.Id + string.Join(" | ", found.Nodes.Select(node => node.Html))
            )
        );

    private static Task BeginAsync(IPage page) => page.GetByRole(AriaRole.Button, new() { Name = "Begin the new run" }).ClickAsync();

    private async Task<Visit> SignInAsync(SiteProcess site, string email)
    {
        // Colours that are on their way to others are nobody's.
        var visit = await Visit.BeginAsync(browser.Browser, site.Address, options => options.ReducedMotion = ReducedMotion.Reduce);
        await visit.Page.GotoAsync("/sign-in");
        await visit.Page.GetByLabel("E-mail address").FillAsync(email);
        await visit.Page.GetByLabel("Password").FillAsync(Password);
        await visit.Page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await visit.Page.Locator("main[data-interactive]").WaitForAsync();
        return visit;
    }
}
