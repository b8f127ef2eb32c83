using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using Microsoft.Playwright;

namespace AiBackend.Tests.Web.Browser;

/// <summary>An operator holds a model back on the overview, callers see why they wait, and it goes on.</summary>
[Collection(StackCollection.Name)]
public sealed class HoldBackTests(StackFixture stack, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private readonly JobClient _jobs = new(stack.Stack);

    [Fact]
    public async Task A_model_is_paused_after_a_look_at_what_that_means_and_resumed()
    {
        var model = await _jobs.TeachWordsAsync(2, 1);
        await using var visit = await Visit.BeginAsync(browser.Browser, stack.Stack.WebAddress);
        await visit.OpenAsync("/ops");
        var form = visit.Page.Locator("[data-hold]");
        await form.GetByRole(AriaRole.Button, new() { Name = "Hold back" }).ClickAsync();
        await form.Locator(".field-error").WaitForAsync();
        await form.GetByLabel("What", new() { Exact = true }).SelectOptionAsync("model");
        await form.GetByLabel("Name", new() { Exact = true }).FillAsync(model);
        await form.GetByLabel("Reason", new() { Exact = true }).FillAsync("too dear");
        await form.GetByRole(AriaRole.Button, new() { Name = "Hold back" }).ClickAsync();
        var review = visit.Page.Locator("[data-review]");
        await Assertions.Expect(review).ToContainTextAsync("will be accepted and not started");
        await review.GetByRole(AriaRole.Button, new() { Name = $"Pause model {model}" }).ClickAsync();
        var banner = visit.Page.Locator($"[data-control='model/{model}']");
        await Assertions.Expect(banner).ToContainTextAsync("its jobs are accepted and wait");
        await Assertions.Expect(banner).ToContainTextAsync("too dear");

        var id = await _jobs.SubmitAsync(model, "Wait for it.");
        await visit.OpenAsync($"/runs/{id}");
        await Assertions.Expect(visit.Page.Locator(".run-status")).ToContainTextAsync($"An operator paused the model {model}");

        await visit.OpenAsync("/ops");
        await banner.GetByRole(AriaRole.Button, new() { Name = $"Resume model {model}" }).ClickAsync();
        await banner.WaitForAsync(new() { State = WaitForSelectorState.Detached });
        Assert.Equal(JobStatuses.Completed, (await _jobs.EndAsync(id)).Status);
        visit.AssertClean();
    }
}
