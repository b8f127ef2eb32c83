using System.Net;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>An operator prices a model, limits a feature, and follows on the page where the money goes.</summary>
[Collection(StackCollection.Name)]
public sealed class CostsPageTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private readonly JobClient _jobs = new(stack.Stack);

    [Fact]
    public async Task U_52_a_budget_that_is_spent_is_told_on_the_page_and_the_job_that_waits_says_why_and_until_when()
    {
        var model = await _jobs.TeachWordsAsync(40, 1);
        var feature = "costs-" + model;
        // A thousandth of a dollar for each word: the first job spends it all, whatever it was expected to.
        await SendAsync(HttpMethod.Put, $"/api/v1/prices/simulator/{model}", """{"input_per_million":0,"output_per_million":1000}""");
        var budget = await SendAsync(
            HttpMethod.Post,
            "/api/v1/budgets",
            $$"""{"scope":"feature","subject":"{{feature}}","window":"month","limit_usd":0.041,"thresholds":[50,100]}"""
        );
        var id = System.Text.Json.JsonDocument.Parse(budget).RootElement.GetProperty("id").GetString();
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);

        await _jobs.EndAsync(await SubmitAsync(model, feature));
        var waiting = await SubmitAsync(model, feature);

        await visit.OpenAsync("/costs?by=feature");
        await visit.Page.Locator($"[data-group='{feature}'] a").ClickAsync();
        await Assertions.Expect(visit.Page.Locator(".tile").First).ToContainTextAsync("$0.0");
        Assert.Contains($"feature={feature}", visit.Page.Url, StringComparison.Ordinal);
        await Assertions.Expect(visit.Page.Locator("[data-costs] tbody tr")).ToHaveCountAsync(1);
        var bar = visit.Page.Locator($"[data-budget='{id}']");
        await Assertions.Expect(bar).ToContainTextAsync($"Feature {feature}");
        await Assertions.Expect(bar).ToContainTextAsync("jobs beyond it wait");
        await Assertions
            .Expect(visit.Page.Locator("[data-alerts]"))
            .ToContainTextAsync($"The budget of feature '{feature}' (month) has no room for the next call, so jobs wait");

        await visit.OpenAsync($"/runs/{waiting}");
        await Assertions
            .Expect(visit.Page.Locator(".run-status"))
            .ToContainTextAsync("The budget is spent for now; it goes on when there is money again");
        await SendAsync(HttpMethod.Put, $"/api/v1/budgets/{id}", """{"limit_usd":1}""");
        await _jobs.EndAsync(waiting);
        var calls = visit.Page.Locator("details.ledger");
        await calls.Locator("summary").ClickAsync();
        await Assertions
            .Expect(calls.Locator("[data-call=settled]"))
            .ToContainTextAsync("cost $0.0400 of $0.0410 set aside · price version 1");
        await visit.OpenAsync("/ops");
        await Assertions.Expect(visit.Page.Locator(".tiles")).ToContainTextAsync("Spent today");
        await visit.Page.GetByRole(AriaRole.Link, new() { Name = "Spent today" }).ClickAsync();
        await Assertions.Expect(visit.Page.Locator($"[data-budget='{id}']")).ToBeVisibleAsync();
        await SendAsync(HttpMethod.Delete, $"/api/v1/budgets/{id}");
        visit.AssertClean();
    }

    [Fact]
    public async Task A_time_without_calls_says_what_will_appear_and_leads_there()
    {
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        await visit.OpenAsync("/costs?feature=nobody-uses-this");

        await Assertions.Expect(visit.Page.Locator(".empty")).ToContainTextAsync("No calls in this time");
        await visit.Page.Locator(".empty").GetByRole(AriaRole.Link, new() { Name = "look at all your calls" }).ClickAsync();

        await visit.Page.WaitForURLAsync(url => url.EndsWith("/costs", StringComparison.Ordinal));
        visit.AssertClean();
    }

    [Fact]
    public async Task A_budget_is_set_changed_and_ended_on_the_page()
    {
        var feature = $"form-{Guid.CreateVersion7():N}";
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        var page = visit.Page;
        await visit.OpenAsync("/costs");
        await page.GetByRole(AriaRole.Button, new() { Name = "Set budget" }).ClickAsync();
        await Assertions.Expect(page.Locator(".field-error")).ToContainTextAsync("Say how many US dollars");
        await page.GetByLabel("Of", new() { Exact = true }).SelectOptionAsync("feature");
        await page.GetByLabel("Which", new() { Exact = true }).FillAsync(feature);
        await page.GetByLabel("In", new() { Exact = true }).SelectOptionAsync("hour");
        await page.GetByLabel("At most, US dollars").FillAsync("2.5");
        // Twice in a row sets one.
        await page.GetByRole(AriaRole.Button, new() { Name = "Set budget" }).DblClickAsync();

        var bar = page.Locator(".budget", new() { HasText = feature });
        await Assertions.Expect(bar).ToContainTextAsync("$2.50 an hour");
        await Assertions.Expect(page.Locator("[data-budget-form] :is(.notice-failed, .field-error)")).ToHaveCountAsync(0);
        await bar.GetByRole(AriaRole.Button, new() { NameRegex = new("^Change the budget") }).ClickAsync();
        await bar.GetByLabel("At most, US dollars").FillAsync("7");
        await bar.GetByLabel("Alerts at, %").FillAsync("50");
        await bar.GetByRole(AriaRole.Button, new() { Name = "Change budget" }).ClickAsync();
        await Assertions.Expect(bar).ToContainTextAsync("$7.00 an hour");
        await Assertions.Expect(bar).ToContainTextAsync("alerts at 50 %");
        await bar.GetByRole(AriaRole.Button, new() { NameRegex = new("^End the budget") }).ClickAsync();
        await bar.GetByRole(AriaRole.Button, new() { Name = "End this budget" }).ClickAsync();

        await Assertions.Expect(bar).ToHaveCountAsync(0);
        visit.AssertClean();
    }

    [Fact]
    public async Task A_27_and_a_53_costs_are_downloaded_as_a_file_in_which_no_name_is_a_formula()
    {
        const string User = "=HYPERLINK(\"https://evil.example\")";
        var job = await SendAsync(
            HttpMethod.Post,
            "/api/v1/jobs",
            System.Text.Json.JsonSerializer.Serialize(
                new
                {
                    type = "chat",
                    model = "sim-instant",
                    user = User,
                    input = new { messages = new[] { new { role = "user", content = "Go on." } } },
                }
            )
        );
        await _jobs.EndAsync(System.Text.Json.JsonDocument.Parse(job).RootElement.GetProperty("id").GetGuid());
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        await visit.OpenAsync("/costs?by=user&days=1");
        await visit.Page.Locator("[data-group^='=HYPERLINK']").WaitForAsync();

        var begun = visit.Page.WaitForDownloadAsync();
        await visit.Page.Locator("[data-csv]").ClickAsync();
        var file = await begun;

        Assert.StartsWith("costs-by-user-1-days-to-", file.SuggestedFilename, StringComparison.Ordinal);
        var text = await File.ReadAllTextAsync(await file.PathAsync(), TestRun.Cancel);
        Assert.StartsWith("\"user\",\"cost_usd\"", text, StringComparison.Ordinal);
        Assert.Contains("\r\n\"'=HYPERLINK(\"\"https://evil.example\"\")\",", text, StringComparison.Ordinal);
        visit.AssertClean();
    }

    private async Task<Guid> SubmitAsync(string model, string feature)
    {
        var job = await SendAsync(
            HttpMethod.Post,
            "/api/v1/jobs",
            $$"""{"type":"chat","model":"{{model}}","feature":"{{feature}}","input":{"messages":[{"role":"user","content":"Go on."}],"max_output_tokens":41} }"""
        );
        return System.Text.Json.JsonDocument.Parse(job).RootElement.GetProperty("id").GetGuid();
    }

    private async Task<string> SendAsync(HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = body is null ? null : new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using var response = await stack.Stack.Api.SendAsync(request, TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.StatusCode < HttpStatusCode.BadRequest, text);
        return text;
    }
}
